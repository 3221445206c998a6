//! The jars of a Kafka release: fetched once by Maven into the user's cache, then only read.
//!
//! Invariant: a release's folder is complete if it exists; it is filled under another name and renamed.
use crate::process;
use crate::{Failure, Release};
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

const POM: &str = include_str!("../pom.xml");
const ADMIN: &str = include_str!("../Admin.java");

/// The one folder for everything fetched or built outside cargo: `KURIER_CACHE`, else `kurier` in
/// `XDG_CACHE_HOME`, else in `~/.cache`.
///
/// # Errors
/// None of the three variables is set.
pub fn cache() -> Result<PathBuf, Failure> {
    let named = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    named("KURIER_CACHE")
        .or_else(|| named("XDG_CACHE_HOME").map(|folder| folder.join("kurier")))
        .or_else(|| named("HOME").map(|home| home.join(".cache/kurier")))
        .ok_or_else(|| Failure::new("no folder for caches: set KURIER_CACHE or HOME"))
}

/// The folder with the jars of `release`, fetched if need be (13 to 56 MB, some seconds).
///
/// # Errors
/// Maven is missing or failed.
pub fn jars(release: &Release) -> Result<PathBuf, Failure> {
    let folder = folder(release)?;
    once(&folder, |part| fetch(release, part))?;
    Ok(folder)
}

/// What keeps real Kafka from running here, with what to do about it; `None` if nothing does.
pub fn obstacle() -> Option<String> {
    let java = process::java(true).arg("-version").output();
    let version = java.map(|said| String::from_utf8_lossy(&said.stderr).into_owned()).unwrap_or_default();
    let major =
        version.split('"').nth(1).and_then(|number| number.split(['.', '-', '+']).next()?.parse().ok());
    if major.is_none_or(|major: u32| major < 17) {
        return Some("Kafka needs Java 17 or later: install a JDK, or set JAVA_HOME".to_owned());
    }
    if !runs("javac", "-version") {
        return Some("the admin client is compiled here: install a JDK, not only a JRE".to_owned());
    }
    let fetched =
        Release::parse(Release::DEFAULT).and_then(|release| folder(&release)).is_ok_and(|f| f.is_dir());
    if !fetched && !runs("mvn", "-version") {
        return Some("Kafka's jars come from Maven Central: install Maven (`mvn`)".to_owned());
    }
    if !runs("kcat", "-V") {
        return Some("records are read back by kcat: install the package `kcat`".to_owned());
    }
    None
}

/// The folder with the compiled admin program for `release`.
pub(crate) fn admin_classes(release: &Release) -> Result<PathBuf, Failure> {
    let jars = jars(release)?;
    let folder = cache()?.join(format!("kafka/admin-{release}-{:016x}", fingerprint(ADMIN)));
    once(&folder, |part| {
        let source = part.join("Admin.java");
        fs::write(&source, ADMIN).map_err(Failure::of(source.display()))?;
        let mut javac = process::command(beside_java("javac"), false);
        javac.arg("-cp").arg(jars.join("*")).arg("-d").arg(part).arg(&source);
        process::output(javac, b"", Duration::from_secs(120)).map(drop)
    })?;
    Ok(folder)
}

fn fingerprint(what: impl Hash) -> u64 {
    let mut hash = DefaultHasher::new();
    what.hash(&mut hash);
    hash.finish()
}

fn folder(release: &Release) -> Result<PathBuf, Failure> {
    // With what was asked of Maven in the name, another pom does not find the jars of an older one.
    let hash = fingerprint((POM, release.scala(), release.profiles()));
    Ok(cache()?.join(format!("kafka/{release}-{hash:016x}")))
}

fn fetch(release: &Release, into: &Path) -> Result<(), Failure> {
    let pom = into.with_extension("pom.xml");
    fs::write(&pom, POM).map_err(Failure::of(pom.display()))?;
    let mut maven = process::command("mvn", false);
    maven.args(["-q", "-B", "dependency:copy-dependencies", "-DincludeScope=runtime"]);
    maven.arg(format!("-Dkafka.version={release}")).arg(format!("-Dscala.version={}", release.scala()));
    if !release.profiles().is_empty() {
        maven.arg(format!("-P{}", release.profiles()));
    }
    maven.arg("-f").arg(&pom).arg(format!("-DoutputDirectory={}", into.display()));
    let fetched = process::output(maven, b"", Duration::from_secs(600)).map(drop);
    let _left = fs::remove_file(&pom);
    fetched
}

/// Fills `folder` once, whoever comes first: tests run in several processes.
fn once(folder: &Path, fill: impl FnOnce(&Path) -> Result<(), Failure>) -> Result<(), Failure> {
    if folder.is_dir() {
        return Ok(());
    }
    // `with_extension` would eat the last number of a version.
    let beside = |end: &str| {
        let mut name = folder.as_os_str().to_owned();
        name.push(end);
        PathBuf::from(name)
    };
    let (part, lock) = (beside(".part"), beside(".lock"));
    let parent = folder.parent().unwrap_or(folder);
    fs::create_dir_all(parent).map_err(Failure::of(parent.display()))?;
    let held = File::create(&lock).map_err(Failure::of(lock.display()))?;
    held.lock().map_err(Failure::of(lock.display()))?;
    if folder.is_dir() {
        return Ok(());
    }
    if part.exists() {
        fs::remove_dir_all(&part).map_err(Failure::of(part.display()))?;
    }
    fs::create_dir(&part).map_err(Failure::of(part.display()))?;
    fill(&part)?;
    fs::rename(&part, folder).map_err(Failure::of(folder.display()))
}

fn beside_java(program: &str) -> PathBuf {
    std::env::var_os("JAVA_HOME")
        .map_or_else(|| program.into(), |home| Path::new(&home).join("bin").join(program))
}

fn runs(program: &str, flag: &str) -> bool {
    let mut command = Command::new(if program == "javac" { beside_java(program) } else { program.into() });
    command.arg(flag).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_was_not_filled_to_the_end_is_not_there() {
        let base = std::env::temp_dir().join(format!("kurier-once-{}", std::process::id()));
        let folder = base.join("4.3.1");
        let failed = once(&folder, |part| {
            fs::write(part.join("half"), b"").map_err(Failure::of("half"))?;
            Err(Failure::new("the net is gone"))
        });
        assert!(failed.is_err() && !folder.exists());
        once(&folder, |part| fs::write(part.join("whole"), b"").map_err(Failure::of("whole"))).unwrap();
        assert!(folder.join("whole").exists() && !folder.join("half").exists());
        once(&folder, |_| Err(Failure::new("filled twice"))).unwrap();
        fs::remove_dir_all(&base).unwrap();
    }
}
