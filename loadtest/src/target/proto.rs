//! Definitions in `.proto` files.

use std::{
    env,
    path::{Path, PathBuf},
};

use prost_reflect::DescriptorPool;
use protox::Compiler;

use crate::problem::Problem;

/// Compiles a file and what it imports. The file's own folder and the current one are looked into before `imports`.
pub(super) fn compile(file: &Path, imports: &[PathBuf]) -> Result<DescriptorPool, Problem> {
    if let Err(error) = file.metadata() {
        return in_imports(file, imports)
            .map_or_else(|| Err(unreadable(file, &error.to_string())), |found| compile(&found, imports));
    }
    let folders = folders(file, imports);
    let compiled = Compiler::new(&folders).and_then(|mut compiler| {
        compiler.include_imports(true).open_file(file)?;
        Ok(compiler.descriptor_pool())
    });
    compiled.map_err(|error| problem(file, &folders, &error))
}

/// As in ghz, the file itself may be given relative to a folder of imports.
fn in_imports(file: &Path, imports: &[PathBuf]) -> Option<PathBuf> {
    imports.iter().map(|folder| folder.join(file)).find(|path| path.exists())
}

fn folders(file: &Path, imports: &[PathBuf]) -> Vec<PathBuf> {
    let own = file.parent().filter(|parent| !parent.as_os_str().is_empty()).map(Path::to_path_buf);
    // A path that begins with the current folder's name only lies within it if that is known by its full name.
    let here = if file.is_absolute() { env::current_dir().ok() } else { Some(PathBuf::from(".")) };
    let mut folders: Vec<PathBuf> = own.into_iter().chain(here).collect();
    for import in imports {
        if !folders.contains(import) {
            folders.push(import.clone());
        }
    }
    folders
}

fn problem(file: &Path, folders: &[PathBuf], error: &protox::Error) -> Problem {
    if error.is_io() {
        return unreadable(file, &format!("{error:?}"));
    }
    let looked: Vec<String> = folders.iter().map(|folder| folder.display().to_string()).collect();
    let remedy = if error.is_file_not_found() {
        format!(
            "add the folder that the import is relative to with --import-paths; looked in {}",
            looked.join(", ")
        )
    } else {
        "correct the definition there".to_owned()
    };
    // Its debug format has the file, the line and the column; the display format has none of them.
    Problem::new(format!("--proto: {error:?}"), remedy)
}

fn unreadable(file: &Path, error: &str) -> Problem {
    Problem::new(
        format!("--proto {} cannot be read: {error}", file.display()),
        "give the path of the .proto file that defines the service, or leave --proto out to ask the server",
    )
}
