//! `keystorm init`: a commented scenario to start from.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};

use crate::scenario;

use super::args::Init;
use super::{Failure, print};

pub(super) fn init(arguments: &Init) -> Result<(), Failure> {
    let path = &arguments.path;
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        std::fs::create_dir_all(parent)
            .map_err(|error| Failure::Internal(format!("cannot create {}: {error}", parent.display())))?;
    }
    let mut file = OpenOptions::new().write(true).create_new(true).open(path).map_err(|error| {
        let path = path.display();
        match error.kind() {
            ErrorKind::AlreadyExists => Failure::Usage(format!(
                "{path} exists already and is left alone: name another file, as in `keystorm init other.toml`"
            )),
            _ => Failure::Internal(format!("cannot write {path}: {error}")),
        }
    })?;
    let written = file.write_all(scenario::init_template().as_bytes()).and_then(|()| file.sync_all());
    if let Err(error) = written {
        let _ = std::fs::remove_file(path);
        return Err(Failure::Internal(format!("cannot write {}: {error}", path.display())));
    }
    let path = path.display();
    print(&format!("Wrote {path}. Edit it, then:\n\n  keystorm check {path}\n  keystorm run {path}\n"))
}
