//! One linked image: what of it lies in flash and in RAM, whose code it is, and who can panic.
//!
//! Panics are counted where they are called: each relocation in the code that leads to one of the core library's
//! panicking functions, from a function that is none itself. `--emit-relocs` keeps them.
use crate::sh::{Failure, failed};
use object::{Object, ObjectSection, ObjectSymbol, RelocationTarget, SectionKind, SymbolKind};
use std::collections::BTreeMap;
use std::path::Path;

/// What an image weighs.
#[derive(Debug, Default)]
pub(crate) struct Image {
    /// Bytes of code, constants and initial values.
    pub(crate) flash: u64,
    /// Bytes of `.data` and `.bss`.
    pub(crate) ram: u64,
    /// Bytes of initialised memory, which take both.
    pub(crate) data: u64,
    /// Bytes of code by module: crate, and for ours its first module.
    pub(crate) modules: BTreeMap<String, u64>,
    /// Calls of panicking functions, by the function they are in.
    pub(crate) panics: BTreeMap<String, u64>,
}

impl Image {
    /// Reads a linked file.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let bytes = std::fs::read(path).map_err(failed(path.display()))?;
        Self::parse(&bytes).map_err(failed(path.display()))
    }

    fn parse(bytes: &[u8]) -> Result<Self, object::Error> {
        let file = object::File::parse(bytes)?;
        let mut image = Self::default();
        for section in file.sections() {
            match section.kind() {
                SectionKind::Text | SectionKind::ReadOnlyData | SectionKind::ReadOnlyString => {
                    image.flash += section.size();
                }
                SectionKind::Data => {
                    image.flash += section.size();
                    image.ram += section.size();
                    image.data += section.size();
                }
                SectionKind::UninitializedData => image.ram += section.size(),
                _ => {}
            }
        }
        // By address, without the bit that says "Thumb".
        let mut functions: BTreeMap<u64, (u64, String)> = BTreeMap::new();
        for symbol in file.symbols().filter(|symbol| symbol.kind() == SymbolKind::Text && symbol.size() > 0) {
            let name = plain(symbol.name()?);
            functions.insert(symbol.address() & !1, (symbol.size(), name));
        }
        for (size, name) in functions.values() {
            *image.modules.entry(module(name)).or_default() += size;
        }
        for section in file.sections().filter(|section| section.kind() == SectionKind::Text) {
            for (at, relocation) in section.relocations() {
                let RelocationTarget::Symbol(target) = relocation.target() else { continue };
                let target = plain(file.symbol_by_index(target)?.name()?);
                let caller =
                    functions.range(..=at).next_back().filter(|(start, (size, _))| at < *start + size);
                let caller = caller.map_or("?", |(_, (_, name))| name.as_str());
                if panics(&target) && !panics(caller) {
                    *image.panics.entry(caller.to_owned()).or_default() += 1;
                }
            }
        }
        Ok(image)
    }

    /// How many places can panic.
    pub(crate) fn panic_paths(&self) -> u64 {
        self.panics.values().sum()
    }
}

/// A symbol as it is written in the source, without its hash.
fn plain(symbol: &str) -> String {
    format!("{:#}", rustc_demangle::demangle(symbol))
}

/// Whether a function does nothing but panic.
fn panics(name: &str) -> bool {
    name.starts_with("core::panicking::")
        || (name.starts_with("core::") && (name.ends_with("_fail") || name.ends_with("_failed")))
}

/// Whose code a function is.
fn module(name: &str) -> String {
    // `<impl kurier_core::sender::Sender<H>>::poll`, `<kurier_core::wire::Walker as Trait>::next`, and the
    // older form, where the crate stands in front of the brackets.
    let ours =
        ["kurier_core::", "kurier_smoltcp::"].iter().find_map(|own| Some((own, name.split(own).nth(1)?)));
    if let Some((own, rest)) = ours {
        let first = rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
        return format!("{own}{first}");
    }
    let known = ["smoltcp::", "heapless::", "nom::", "managed::", "compiler_builtins::", "kurier_size::"];
    match known.iter().find(|known| name.contains(**known)) {
        Some(known) => known.trim_end_matches("::").to_owned(),
        None if name.starts_with("__") || name.starts_with("mem") => "compiler_builtins".to_owned(),
        None if name.contains("core::") => "core library".to_owned(),
        None => "main".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_belongs_to_the_module_it_was_written_in() {
        for (name, owner) in [
            ("<kurier_core::sender::Sender<H>>::poll", "kurier_core::sender"),
            (
                "kurier_core::sender::receive::<impl kurier_core::sender::Sender<H>>::receive",
                "kurier_core::sender",
            ),
            (
                "<kurier_core::connection::gather::Gather as kurier_core::wire::sink::Sink>::small",
                "kurier_core::connection",
            ),
            ("smoltcp::iface::interface::Interface::poll", "smoltcp"),
            ("__aeabi_memcpy4", "compiler_builtins"),
            ("core::iter::traits::iterator::Iterator::nth", "core library"),
            ("start", "main"),
        ] {
            assert_eq!(module(name), owner, "{name}");
        }
    }

    #[test]
    fn only_the_core_librarys_own_functions_panic() {
        assert!(panics("core::panicking::panic_bounds_check"));
        assert!(panics("core::slice::index::slice_index_fail"));
        assert!(panics("core::option::unwrap_failed"));
        assert!(!panics("kurier_core::sender::deliver::fail"));
        assert!(!panics("core::slice::rotate::ptr_rotate"));
    }
}
