//! Definitions in `.proto` files.

use std::{
    env,
    path::{Path, PathBuf},
};

use inrush_transport::Error;
use prost_reflect::DescriptorPool;
use protox::Compiler;

/// Compiles a file and its imports. The folder of the file and the current folder are searched before `imports`.
pub(super) fn compile(file: &Path, imports: &[PathBuf]) -> Result<DescriptorPool, Error> {
    if let Err(error) = file.metadata() {
        return in_imports(file, imports)
            .map_or_else(|| Err(unreadable(file, &error.to_string())), |found| compile(&found, imports));
    }
    let folders = folders(file, imports);
    let compiled = Compiler::new(&folders).and_then(|mut compiler| {
        compiler.include_imports(true).open_file(file)?;
        Ok(compiler.descriptor_pool())
    });
    compiled.map_err(|error| compile_error(file, &folders, &error))
}

/// As in ghz, the path of the file may be relative to a folder of imports.
fn in_imports(file: &Path, imports: &[PathBuf]) -> Option<PathBuf> {
    imports.iter().map(|folder| folder.join(file)).find(|path| path.exists())
}

fn folders(file: &Path, imports: &[PathBuf]) -> Vec<PathBuf> {
    let own = file.parent().filter(|parent| !parent.as_os_str().is_empty()).map(Path::to_path_buf);
    // An absolute path within the current folder is only recognised if the folder is given as an absolute path.
    let here = if file.is_absolute() { env::current_dir().ok() } else { Some(PathBuf::from(".")) };
    let mut folders: Vec<PathBuf> = own.into_iter().chain(here).collect();
    for import in imports {
        if !folders.contains(import) {
            folders.push(import.clone());
        }
    }
    folders
}

fn compile_error(file: &Path, folders: &[PathBuf], error: &protox::Error) -> Error {
    if error.is_io() {
        return unreadable(file, &format!("{error:?}"));
    }
    let searched: Vec<String> = folders.iter().map(|folder| folder.display().to_string()).collect();
    let remedy = if error.is_file_not_found() {
        format!(
            "add the folder that the import is relative to with --import-paths; searched in {}",
            searched.join(", ")
        )
    } else {
        "correct the definition".to_owned()
    };
    // The debug format contains file, line and column, which the display format lacks.
    Error::new(format!("--proto: {error:?}"), remedy)
}

fn unreadable(file: &Path, error: &str) -> Error {
    Error::new(
        format!("cannot read --proto {}: {error}", file.display()),
        "pass the path of the .proto file that defines the service, or omit --proto to use server reflection",
    )
}
