//! Programs that this one drives: wrangler, and Node.js for HTTP.

use std::{
    env,
    io::{self, Write},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

/// Runs a program of the project to its end, with something to read where there is.
///
/// The project's own programs come first, from here upwards and from this program upwards; then those in PATH.
pub(crate) fn run<A: AsRef<std::ffi::OsStr>>(name: &str, arguments: &[A], input: Option<&str>) -> io::Result<Output> {
    let program = find(name);
    let mut command = Command::new(&program);
    // Wrangler needs a newer Node.js than some machines have; the project brings it along, in the same folder.
    if let Some(folder) = program.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        let path = env::var_os("PATH").unwrap_or_default();
        let folders = std::iter::once(folder.to_owned()).chain(env::split_paths(&path));
        if let Ok(path) = env::join_paths(folders) {
            command.env("PATH", path);
        }
    }
    let stdin = if input.is_some() { Stdio::piped() } else { Stdio::null() };
    command.args(arguments).stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    if let (Some(mut stdin), Some(input)) = (child.stdin.take(), input) {
        // A program that ends without reading says itself why.
        let _ = stdin.write_all(input.as_bytes());
    }
    child.wait_with_output()
}

fn find(name: &str) -> PathBuf {
    let windows = if name == "node" { format!("{name}.exe") } else { format!("{name}.cmd") };
    let file = if cfg!(windows) { windows } else { name.to_owned() };
    let own = |folder: &Path| folder.join("node_modules").join(".bin").join(&file);
    let (here, this) = (env::current_dir().unwrap_or_default(), env::current_exe().unwrap_or_default());
    here.ancestors().chain(this.ancestors()).map(own).find(|path| path.exists()).unwrap_or_else(|| file.clone().into())
}
