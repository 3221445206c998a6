//! The lean devices of `docs/microcontroller.md`, made as it says: its own command copies the example out of the project,
//! its own diffs change the copy, `path` is set, and cargo builds it.
//!
//! A recipe instead of a feature of the example: who copies that would otherwise read past the lines of a device he does not have.
//!
//! Invariant: nothing but what the document shows, and its comment on `path`, is done to a copy. A recipe that does not fit
//! the sources any more is a failure here.
use super::{NAME, TARGET};
use crate::setup;
use crate::sh::{self, Failure, failed};
use std::fs;
use std::path::{Path, PathBuf};

const DOCUMENT: &str = "docs/microcontroller.md";
/// Where `static_cell` needs the document's line about `portable-atomic`.
pub(crate) const SMALLEST: &str = "thumbv6m-none-eabi";

/// The images that the document leads to.
pub(crate) struct Images {
    /// After its first step: keys, headers, and words about what is wrong.
    pub(crate) few: PathBuf,
    /// After its second: records of values.
    pub(crate) none: PathBuf,
}

/// Builds both, the first for `target`: an M3 runs what is for a Cortex-M0, too. Afterwards another image lies where
/// [`super::image`] is built to.
pub(crate) fn images(target: &str) -> Result<Images, Failure> {
    let text = fs::read_to_string(sh::top().join(DOCUMENT)).map_err(failed(DOCUMENT))?;
    let Some(recipe) = Recipe::read(&text) else {
        return Err(Failure(format!(
            "{DOCUMENT} has not the blocks of a lean device: how to copy it, two diffs"
        )));
    };
    setup::target(TARGET)?;
    setup::target(target)?;
    setup::debian("qemu-system-arm", "qemu-system-arm")?;
    let elsewhere = Elsewhere::new()?;
    Ok(Images {
        few: recipe.follow(&elsewhere.0, "few", target, 1)?,
        none: recipe.follow(&elsewhere.0, "none", TARGET, 2)?,
    })
}

/// What the document says, in its order.
#[derive(Debug)]
struct Recipe<'t> {
    /// The command that copies the example to `~/device`.
    copy: &'t str,
    /// The dependency of a core without compare-and-swap.
    atomic: &'t str,
    /// Each begins where the one before ends.
    steps: [&'t str; 2],
}

impl<'t> Recipe<'t> {
    fn read(text: &'t str) -> Option<Self> {
        let (_, text) = text.split_once("\n## Copy it\n")?;
        let mut diffs = blocks(text, "diff");
        let steps = [diffs.next()?, diffs.next()?];
        let copy = blocks(text, "sh").next()?.lines().next()?;
        Some(Self { copy, atomic: blocks(text, "toml").next()?, steps })
    }

    /// Makes a device below `elsewhere` by the first `steps`, builds it, and puts its image beside those of its target.
    fn follow(&self, elsewhere: &Path, name: &str, target: &str, steps: usize) -> Result<PathBuf, Failure> {
        let home = elsewhere.join(name);
        fs::create_dir(&home).map_err(failed(home.display()))?;
        sh::run(sh::command("sh").args(["-ec", self.copy]).env("HOME", &home))?;
        let device = home.join("device");
        for (step, number) in self.steps.iter().take(steps).zip(1..) {
            let path = device.join(format!("{number}.diff"));
            fs::write(&path, step).map_err(failed(path.display()))?;
            sh::run(sh::command("git").arg("apply").arg(&path).current_dir(&device))?;
        }
        let path = device.join("Cargo.toml");
        let mut manifest = fs::read_to_string(&path).map_err(failed(path.display()))?;
        set(
            &mut manifest,
            "path = \"../../../core\"",
            &format!("path = \"{}\"", sh::top().join("core").display()),
        )?;
        let adapter = sh::top().join("adapters").join("smoltcp");
        set(&mut manifest, "path = \"..\"", &format!("path = \"{}\"", adapter.display()))?;
        if target == SMALLEST {
            set(&mut manifest, "[dependencies]\n", &format!("[dependencies]\n{}", self.atomic))?;
        }
        fs::write(&path, manifest).map_err(failed(path.display()))?;
        let folder = sh::target().join("firmware-image");
        let mut cargo = sh::cargo();
        cargo.args(["build", "--quiet", "--release", "--target", target, "--target-dir"]).arg(&folder);
        sh::run(cargo.current_dir(&device))?;
        let image = folder.join(target).join("release").join(NAME);
        // The next build puts its own in that place.
        let kept = image.with_extension(name);
        fs::copy(&image, &kept).map_err(failed(kept.display()))?;
        Ok(kept)
    }
}

/// What the fenced blocks of this language hold.
fn blocks<'t>(text: &'t str, language: &'static str) -> impl Iterator<Item = &'t str> {
    let fenced = text.split("```").skip(1).step_by(2);
    fenced.filter_map(move |block| block.strip_prefix(language)?.strip_prefix('\n'))
}

/// Puts `new` where `old` is, which must be in one place.
fn set(text: &mut String, old: &str, new: &str) -> Result<(), Failure> {
    let found = text.matches(old).count();
    if found != 1 {
        return Err(Failure(format!(
            "`{}` is in {found} places of the copy's Cargo.toml, not in one",
            old.trim_end()
        )));
    }
    *text = text.replace(old, new);
    Ok(())
}

/// A folder outside of the project, gone when this is.
struct Elsewhere(PathBuf);

impl Elsewhere {
    fn new() -> Result<Self, Failure> {
        let folder = std::env::temp_dir().join(format!("kurier-lean-{}", std::process::id()));
        fs::create_dir_all(&folder).map_err(failed(folder.display()))?;
        Ok(Self(folder))
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        // What is left there harms nobody.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::{DOCUMENT, Recipe, sh};

    #[test]
    fn the_document_has_its_recipe() {
        let text = std::fs::read_to_string(sh::top().join(DOCUMENT)).unwrap();
        let recipe = Recipe::read(&text).unwrap();
        assert!(recipe.copy.contains("~/device"), "{recipe:?}");
        assert!(recipe.atomic.starts_with("portable-atomic"), "{recipe:?}");
        assert!(recipe.steps.iter().all(|step| step.starts_with("--- a/Cargo.toml\n")), "{recipe:?}");
    }

    #[test]
    fn a_document_without_a_step_is_no_recipe() {
        let fence = |language: &str| format!("```{language}\nx\n```\n");
        let whole = ["sh", "toml", "diff", "diff"].map(fence);
        assert!(Recipe::read(&format!("\n## Copy it\n{}", whole.concat())).is_some());
        assert!(Recipe::read(&format!("\n## Copy it\n{}", whole[..3].concat())).is_none());
        assert!(Recipe::read(&whole.concat()).is_none());
    }
}
