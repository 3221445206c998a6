//! Whose code each byte of an image is, by the source line it was made from.
//!
//! Symbols do not tell: what is inlined counts for its caller there, and the loop that calls everything would be the
//! largest module. Here a byte belongs to the innermost inlined function that is not of Rust's own library, as DWARF
//! says it.
use addr2line::{Context, gimli};
use object::{Object, ObjectSection, ObjectSymbol, SectionKind, SymbolKind};
use std::collections::BTreeMap;

type Slice<'d> = gimli::EndianSlice<'d, gimli::LittleEndian>;

/// Bytes of code by source file, as [`owner`] names it.
pub(crate) fn bytes<'d>(file: &object::File<'d>) -> Result<BTreeMap<String, u64>, gimli::Error> {
    let load = |id: gimli::SectionId| -> Result<Slice<'d>, gimli::Error> {
        let data = file.section_by_name(id.name()).and_then(|section| section.data().ok());
        Ok(Slice::new(data.unwrap_or_default(), gimli::LittleEndian))
    };
    let context = Context::from_dwarf(gimli::Dwarf::load(load)?)?;
    let mut found = BTreeMap::new();
    let mut add = |name: String, bytes: u64| *found.entry(name).or_insert(0) += bytes;
    for symbol in file.symbols() {
        let code = symbol
            .section_index()
            .and_then(|index| file.section_by_index(index).ok())
            .is_some_and(|section| section.kind() == SectionKind::Text);
        if !code || symbol.kind() != SymbolKind::Text {
            continue;
        }
        // Without the bit that says "Thumb"; its instructions have two bytes or four.
        let start = symbol.address() & !1;
        let step = 2.min(symbol.size());
        for at in (start..start + symbol.size()).step_by(2) {
            add(whose(&context, at)?.unwrap_or_else(|| "without lines".to_owned()), step);
        }
    }
    Ok(found)
}

fn whose(context: &Context<Slice<'_>>, at: u64) -> Result<Option<String>, gimli::Error> {
    let mut frames = context.find_frames(at).skip_all_loads()?;
    let mut last = None;
    while let Some(frame) = frames.next()? {
        let Some(path) = frame.location.and_then(|location| location.file) else { continue };
        let owner = owner(path);
        if owner != LIBRARY {
            return Ok(Some(owner));
        }
        last = Some(owner);
    }
    Ok(last)
}

const LIBRARY: &str = "rust's library";
/// What needs an allocator, wherever it is inlined.
pub(super) const ALLOC: &str = "rust's alloc";

/// The module or crate of a source file.
fn owner(path: &str) -> String {
    let path = path.replace('\\', "/");
    if path.contains("/library/alloc/") {
        return ALLOC.to_owned();
    }
    if path.contains("/library/") && path.contains("/rustc/") || path.contains("/rustlib/src/") {
        return LIBRARY.to_owned();
    }
    if path.contains("compiler-builtins") || path.contains("compiler_builtins") {
        return "compiler-builtins".to_owned();
    }
    for (folder, name) in [("core/src/", "kurier_core"), ("adapters/smoltcp/src/", "kurier_smoltcp")] {
        // Ours are named from the top folder, or by an absolute path where the image is a workspace of its own.
        if let Some(at) =
            path.find(folder).filter(|at| *at == 0 || path.as_bytes().get(at - 1) == Some(&b'/'))
        {
            let module = path.get(at + folder.len()..).unwrap_or_default().trim_end_matches(".rs");
            return format!("{name}::{}", module.trim_end_matches("/mod").replace('/', "::"));
        }
    }
    // `.../registry/src/index-0123/smoltcp-0.14.0/src/...`
    let krate = path.split_once("/registry/src/").and_then(|(_, rest)| rest.split('/').nth(1));
    match krate {
        Some(krate) => krate.rsplit_once('-').map_or(krate, |(name, _)| name).to_owned(),
        None => "the image itself".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::owner;

    #[test]
    fn a_source_file_names_its_owner() {
        for (path, named) in [
            ("/somewhere/kurier/core/src/sender/receive.rs", "kurier_core::sender::receive"),
            ("core/src/sender/mod.rs", "kurier_core::sender"),
            ("/somewhere/adapters/smoltcp/src/net.rs", "kurier_smoltcp::net"),
            ("/rustc/0123/library/core/src/slice/mod.rs", "rust's library"),
            ("/rustc/0123/library/alloc/src/boxed.rs", "rust's alloc"),
            ("/x/lib/rustlib/src/rust/library/core/src/num.rs", "rust's library"),
            ("/x/registry/src/index.crates.io-0/smoltcp-0.14.0/src/iface.rs", "smoltcp"),
            ("/x/registry/src/index.crates.io-0/compiler_builtins-0.1.2/src/mem.rs", "compiler-builtins"),
            ("tests/size/src/lib.rs", "the image itself"),
        ] {
            assert_eq!(owner(path), named, "{path}");
        }
    }
}
