//! Several downloads of one model at a time.

use std::time::Duration;

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
