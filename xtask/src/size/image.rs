//! One linked image: what of it lies in flash and in RAM, whose code it is, who can panic, and what allocates.
//!
//! An allocator is looked for by the names of its symbols, and by source lines of Rust's `alloc` that were inlined:
//! without an allocator nothing that allocates links, so finding none of them is finding no allocation.
//!
//! Panics are counted where they are called: each relocation in the code that leads to one of the core library's
//! panicking functions, from a function that is none itself. `--emit-relocs` keeps them.
use super::source;
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
    /// Bytes of code by the module or crate in whose source they were written; see [`source`].
    pub(crate) modules: BTreeMap<String, u64>,
    /// Calls of panicking functions, by the function they are in.
    pub(crate) panics: BTreeMap<String, u64>,
    /// What of an allocator is linked, by symbol.
    pub(crate) allocators: Vec<String>,
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
        let names = file.symbols().filter_map(|symbol| symbol.name().ok().map(plain));
        image.allocators = names.filter(|name| allocates(name)).collect();
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

    /// Reads a linked file, and whose its code is.
    pub(crate) fn read_with_modules(path: &Path) -> Result<Self, Failure> {
        let bytes = std::fs::read(path).map_err(failed(path.display()))?;
        let mut image = Self::parse(&bytes).map_err(failed(path.display()))?;
        let file = object::File::parse(&*bytes).map_err(failed(path.display()))?;
        image.modules = source::bytes(&file).map_err(failed(path.display()))?;
        image.allocators.extend(image.modules.contains_key(source::ALLOC).then(|| source::ALLOC.to_owned()));
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

/// Whether a symbol is part of an allocator, or of what only a program with one links.
fn allocates(name: &str) -> bool {
    // By Rust's own names, those of a C library, and the crate that needs one.
    const NAMES: [&str; 8] = [
        "__rust_alloc",
        "__rust_dealloc",
        "__rust_realloc",
        "__rg_alloc",
        "__rdl_alloc",
        "malloc",
        "calloc",
        "sbrk",
    ];
    let last = name.rsplit("::").next().unwrap_or(name);
    NAMES.iter().any(|known| last.trim_start_matches('_').starts_with(known.trim_start_matches('_')))
        || name.starts_with("alloc::")
        || name.contains("<alloc::")
        || name.contains("GlobalAlloc")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_allocator_is_seen_where_there_is_one() {
        // This program has one.
        let own = Image::read(&std::env::current_exe().unwrap()).unwrap();
        assert!(own.allocators.iter().any(|name| name.contains("__rust_alloc")), "{:?}", own.allocators);
        for name in ["alloc::raw_vec::handle_error", "malloc", "<T as core::alloc::GlobalAlloc>::alloc"] {
            assert!(allocates(name), "{name}");
        }
        for name in ["kurier_core::pool::Pool<H>::take", "smoltcp::storage::ring_buffer::get_allocated"] {
            assert!(!allocates(name), "{name}");
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
