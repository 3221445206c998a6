//! Peers over the same smoltcp: MQTT clients that publish with QoS 1, linked as our images are (`tests/peers/mqtt`).
use super::image::Image;
use crate::sh::{self, Failure};

/// The images, without that of smoltcp alone.
const PEERS: [&str; 2] = ["minimq", "rust-mqtt"];

/// What each adds to smoltcp with one socket, and what in it can panic.
pub(crate) fn measure(target: &str) -> Result<Vec<(String, u64)>, Failure> {
    let folder = sh::target().join("peers-mqtt");
    let mut cargo = sh::cargo();
    cargo.args(["build", "--quiet", "--locked", "--profile", "firmware", "--target", target]);
    cargo.args(["--manifest-path", "tests/peers/mqtt/Cargo.toml", "--target-dir"]).arg(&folder);
    sh::run(&mut cargo)?;
    let read = |name: &str| Image::read(&folder.join(target).join("firmware").join(name));
    let alone = read("stream")?;
    let mut found = vec![("peers.smoltcp.flash".to_owned(), alone.flash)];
    for name in PEERS {
        let image = read(name)?;
        found.push((format!("peers.{name}.flash.increment"), image.flash.saturating_sub(alone.flash)));
        found.push((format!("peers.{name}.ram.increment"), image.ram.saturating_sub(alone.ram)));
        let panics = image.panic_paths().saturating_sub(alone.panic_paths());
        found.push((format!("peers.{name}.panics.increment"), panics));
    }
    Ok(found)
}
