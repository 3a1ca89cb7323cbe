//! The home folder: Dynamo keeps files below it, and has no other variable for them.
//!
//! A container often has none, or one that cannot be written to. A frontend keeps the files of every
//! card below it, and lists no model without.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use dynamo_backend_environment::{
    HF_HOME, HF_HUB_CACHE, HOME, MODEL_EXPRESS_CACHE_PATH, Variable, XDG_CACHE_HOME,
};
use parking_lot::Mutex;

/// Where models of a hub are kept, and the variables of which one says so.
const HUB: &str = ".cache/huggingface";
const HUB_VARIABLES: [Variable; 4] = [
    HF_HOME,
    HF_HUB_CACHE,
    XDG_CACHE_HOME,
    MODEL_EXPRESS_CACHE_PATH,
];

/// What was done about the home, until it is told: there is no log yet then.
static UNTOLD: Mutex<Option<String>> = Mutex::new(None);

/// Sets `HOME` where it is unset, to the home of the account, and where that cannot be written to, to
/// a folder of temporary files, which is the same for all processes of the user. What the hub's cache
/// has in a home that can only be read is still found.
pub(crate) fn provide() {
    let chosen = HOME.value().filter(|home| !home.is_empty());
    let is_chosen = chosen.is_some();
    let home = chosen
        .map(PathBuf::from)
        .or_else(std::env::home_dir)
        .unwrap_or_default();
    if takes_files(&home) {
        if !is_chosen {
            HOME.set(&home.to_string_lossy());
        }
        return;
    }
    let done = match temporary() {
        Ok(folder) => {
            keep_hub(&home.join(HUB));
            HOME.set(&folder.to_string_lossy());
            format!(
                "the home folder '{}' cannot be written to: Dynamo keeps its files in {}; {HOME} says \
                 where",
                home.display(),
                folder.display()
            )
        }
        Err(error) => format!("no folder takes the place of the home: {error}"),
    };
    *UNTOLD.lock() = Some(done);
}

/// Logs what [`provide`] has done, once.
pub(crate) fn tell() {
    if let Some(done) = UNTOLD.lock().take() {
        tracing::info!("{done}");
    }
}

/// Whether files can be put below the home folder that the environment has.
pub(crate) fn is_provided() -> bool {
    HOME.value()
        .is_some_and(|home| takes_files(Path::new(&home)))
}

fn keep_hub(folder: &Path) {
    let is_chosen = HUB_VARIABLES
        .iter()
        .any(|variable| variable.value().is_some());
    if !is_chosen && folder.is_dir() {
        HF_HOME.set(&folder.to_string_lossy());
    }
}

/// Whether Dynamo's folder is there, or can be made, and takes a file. Only trying tells: root may
/// write everywhere, and what the kernel itself mounts takes nothing.
fn takes_files(home: &Path) -> bool {
    let folder = home.join(".cache/dynamo");
    let probe = folder.join(format!(".probe-{}", std::process::id()));
    home.is_absolute()
        && fs::create_dir_all(&folder).is_ok()
        && fs::write(&probe, "").is_ok()
        && fs::remove_file(&probe).is_ok()
}

fn temporary() -> io::Result<PathBuf> {
    // SAFETY: takes nothing.
    let user = unsafe { libc::geteuid() };
    let folder = std::env::temp_dir().join(format!("dynamo-home-{user}"));
    match fs::DirBuilder::new().mode(0o700).create(&folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    // The name is known to others: what they put there is not taken.
    let found = fs::symlink_metadata(&folder)?;
    if found.is_dir() && found.uid() == user && found.mode() & 0o022 == 0 {
        Ok(folder)
    } else {
        Err(io::Error::other(format!(
            "{} is not this user's",
            folder.display()
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fault_44_a_home_takes_files_where_one_can_be_made() {
        let folder = std::env::temp_dir().join(format!("home-{}", std::process::id()));
        assert!(takes_files(&folder.join("not/there/yet")));
        assert!(takes_files(&folder.join("not/there/yet")));
        fs::remove_dir_all(&folder).unwrap();
        for home in ["", "relative", "/dev/null", "/proc/nothing", "/sys"] {
            assert!(!takes_files(Path::new(home)), "{home}");
        }
    }

    #[test]
    fn fault_44_the_folder_in_its_place_is_the_users_alone() {
        let folder = temporary().unwrap();
        assert_eq!(temporary().unwrap(), folder);
        let mode = fs::metadata(&folder).unwrap().mode();
        assert_eq!(mode & 0o077, 0);
    }
}
