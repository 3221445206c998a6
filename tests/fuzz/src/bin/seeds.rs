//! Writes the first inputs of every target: `seeds VECTORS FOLDER` makes `FOLDER/TARGET/NUMBER`.
use std::path::Path;

fn main() -> std::io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [vectors, folder] = arguments.as_slice() else {
        return Err(std::io::Error::other("usage: seeds VECTORS FOLDER"));
    };
    let seeds = kurier_fuzz::seeds::all(Path::new(vectors))?;
    for (number, (target, bytes)) in seeds.iter().enumerate() {
        let folder = Path::new(folder).join(target);
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join(format!("{number:05}")), bytes)?;
    }
    println!("{} first inputs", seeds.len());
    Ok(())
}
