//! Several downloads of one model at a time.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::command_line::program;
use crate::stand_in::{Fault, ID, StandIn, id};

#[test]
fn downloads_at_one_time_fetch_every_file_once() {
    let (server, cache) = (StandIn::serving("gqa-tied"), tempfile::tempdir().unwrap());
    for file in ["config.json", "tokenizer.json", "large model.safetensors"] {
        server.fault(file, &[Fault::Slow(Duration::from_millis(150))]);
    }
    let download = || server.hub(cache.path()).download(&id(ID)).unwrap();
    let snapshots = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(download)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    assert!(snapshots.iter().all(|snapshot| *snapshot == snapshots[0]));
    for name in ["config.json", "tokenizer.json", "model.safetensors"] {
        assert_eq!(std::fs::read(snapshots[0].folder.join(name)).unwrap(), server.file(name));
        assert_eq!(server.requests(name).len(), 1, "{name}");
    }
}

#[test]
fn processes_at_one_time_fetch_every_file_once() {
    let (server, home) = (StandIn::serving("mha-untied-sharded"), tempfile::tempdir().unwrap());
    for file in ["config.json", "tokenizer.json", "large model-00002-of-00002.safetensors"] {
        server.fault(file, &[Fault::Slow(Duration::from_millis(300))]);
    }
    let start = |_| {
        let mut download = program(&["download", ID], home.path(), &server.endpoint());
        download.stdout(Stdio::null()).spawn().unwrap()
    };
    let processes: Vec<_> = (0..2).map(start).collect();
    for mut process in processes {
        assert!(process.wait().unwrap().success());
    }
    let files: Vec<String> = server.log().into_iter().map(|request| request.what).collect();
    for name in server.names().iter().filter(|name| files.contains(*name)) {
        let fetched = files.iter().filter(|file| file.trim_start_matches("large ") == name);
        // A large file is asked for at the hub's own host first.
        let requests = if name.ends_with("safetensors") { 2 } else { 1 };
        assert_eq!(fetched.count(), requests, "{name}: {files:?}");
    }
    let snapshot = server.hub(&home.path().join("hub")).find(&id(ID)).unwrap();
    for name in ["config.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"] {
        assert_eq!(std::fs::read(snapshot.folder.join(name)).unwrap(), server.file(name));
    }
}

/// A library whose `flock` fails with `error`, as that of a file system without locks does; `None` where nothing compiles it.
#[cfg(target_os = "linux")]
fn library_without_locks(folder: &Path, error: &str) -> Option<PathBuf> {
    let (source, library) = (folder.join("flock.c"), folder.join(format!("{error}.so")));
    let text = "#include <errno.h>\nint flock(int file, int how) { (void)file; (void)how; errno = FAILURE; return -1; }\n";
    std::fs::write(&source, text).unwrap();
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", &format!("-DFAILURE={error}"), "-o"]).args([&library, &source]);
    compiler.status().is_ok_and(|status| status.success()).then_some(library)
}

#[cfg(target_os = "linux")]
#[test]
fn where_nothing_can_be_locked_every_download_is_whole() {
    let home = tempfile::tempdir().unwrap();
    for error in ["ENOLCK", "EOPNOTSUPP"] {
        let Some(library) = library_without_locks(home.path(), error) else {
            println!("skipped: there is no C compiler");
            return;
        };
        let (server, home) = (StandIn::serving("gqa-tied"), tempfile::tempdir().unwrap());
        // One after the other comes to the same file while the first still receives it, and one connection breaks.
        let large = "large model.safetensors";
        server.fault(large, &[Fault::Slow(Duration::from_millis(300)), Fault::Cut(1000)]);
        let start = |_| {
            let mut download = program(&["download", ID], home.path(), &server.endpoint());
            download.env("LD_PRELOAD", &library).stdout(Stdio::null()).spawn().unwrap()
        };
        let processes: Vec<_> = (0..4).map(start).collect();
        for mut process in processes {
            assert!(process.wait().unwrap().success(), "{error}");
        }
        let snapshot = server.hub(&home.path().join("hub")).find(&id(ID)).unwrap();
        for name in ["config.json", "tokenizer.json", "model.safetensors"] {
            assert_eq!(
                std::fs::read(snapshot.folder.join(name)).unwrap(),
                server.file(name),
                "{error}: {name}"
            );
        }
        // Nothing of the others is left behind.
        let blobs = home.path().join("hub/models--owner--Small-1.5/blobs");
        for entry in std::fs::read_dir(blobs).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            assert!(!name.contains("incomplete"), "{name}");
        }
    }
}
