//! Several downloads of one model at a time.

use std::process::Stdio;
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
