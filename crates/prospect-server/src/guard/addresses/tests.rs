//! Addresses that lead somewhere other than they seem to.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::sync::Mutex;

use super::allowed::AllowedSources;
use super::refusal::Refusal::{self, Host, Inner, Letter, NotAllowed, Person, Port, Unresolved};
use super::resolver::Resolve;

/// A resolver with fixed names that records every name it was asked for.
#[derive(Default)]
struct Names {
    known: BTreeMap<&'static str, Vec<IpAddr>>,
    asked: Mutex<Vec<String>>,
}

impl Names {
    fn new() -> Self {
        let all = |addresses: &[&str]| addresses.iter().map(|address| address.parse().unwrap()).collect();
        let known = BTreeMap::from([
            ("public.example", all(&["93.184.216.34", "2606:4700::1111"])),
            ("inner.example", all(&["10.0.0.5"])),
            ("mixed.example", all(&["93.184.216.34", "192.168.1.1"])),
            ("mixed6.example", all(&["2606:4700::1111", "fe80::1"])),
            ("loop.example", all(&["127.0.0.1"])),
            ("mapped.example", all(&["::ffff:127.0.0.1"])),
            ("nat64.example", all(&["64:ff9b::7f00:1"])),
            ("metadata.example", all(&["169.254.169.254"])),
            ("zero.example", all(&["0.0.0.0"])),
            ("empty.example", all(&[])),
            ("localhost", all(&["127.0.0.1", "::1"])),
            ("cam-1.local", all(&["192.168.7.20"])),
            ("cam-2.local", all(&["169.254.3.4"])),
            ("cam-3.local", all(&["127.0.0.1"])),
        ]);
        Self { known, asked: Mutex::default() }
    }
}

impl Resolve for Names {
    fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        self.asked.lock().unwrap().push(name.to_owned());
        self.known.get(name).cloned().ok_or_else(|| io::Error::other("no such name"))
    }
}

fn decide(patterns: &[&str], address: &str) -> Result<Vec<String>, Refusal> {
    let checked = AllowedSources::new(patterns).unwrap().decide(address, &Names::new())?;
    assert_eq!(checked.address, address);
    Ok(checked.sockets.iter().map(ToString::to_string).collect())
}

const INTERNET: [&str; 4] = ["http://*", "https://*", "rtsp://*", "http://*:8080"];

/// Addresses with the reason for which each is refused if the internet is allowed.
type Refused = &'static [(&'static str, Refusal)];

const SCHEME: Refusal = Refusal::Scheme {
    expected: "rtsp://, rtsps://, rtmp://, rtmps://, http://, https://, or an absolute path",
};

/// This machine, in all notations.
const THIS_MACHINE: Refused = &[
    ("http://127.0.0.1/", Inner),
    ("http://127.0.0.1", Inner),
    ("http://127.255.255.254/x", Inner),
    ("http://127.1/", Host),
    ("http://127.0.1/", Host),
    ("http://2130706433/", Host),
    ("http://0177.0.0.1/", Host),
    ("http://017700000001/", Host),
    ("http://0x7f.0.0.1/", Host),
    ("http://0x7f000001/", Host),
    ("http://127.0.0.0x1/", Host),
    ("http://127.0.0.1./", Host),
    ("http://127.0.0.01/", Host),
    ("http://[::1]/", Inner),
    ("http://[0:0:0:0:0:0:0:1]/", Inner),
    ("http://[::ffff:127.0.0.1]/", Inner),
    ("http://[::ffff:7f00:1]/", Inner),
    ("http://[::127.0.0.1]/", Inner),
    ("http://0.0.0.0/", Inner),
    ("http://0/", Host),
    ("http://[::]/", Inner),
    ("http://localhost/", Inner),
    ("http://LocalHost/", Inner),
    ("http://localhost./", Host),
];

/// Private networks.
const INNER_NETWORKS: Refused = &[
    ("http://10.0.0.1/", Inner),
    ("rtsp://172.16.0.9/1", Inner),
    ("rtsp://172.31.255.255/1", Inner),
    ("http://192.168.0.1/admin", Inner),
    ("http://100.64.0.1/", Inner),
    ("http://169.254.169.254/latest/meta-data", Inner),
    ("http://[fd00:ec2::254]/", Inner),
    ("http://[fe80::1]/", Inner),
    ("http://[fe80::1%25eth0]/", Host),
    ("http://[::ffff:10.0.0.1]/", Inner),
    ("http://[::ffff:a9fe:a9fe]/", Inner),
    ("http://[64:ff9b::10.0.0.1]/", Inner),
    ("http://[64:ff9b::7f00:1]/", Inner),
    ("http://[2002:7f00:1::]/", Inner),
    ("http://[2001:0:7f00:1::]/", Inner),
    ("http://[ff02::1]/", Inner),
    ("http://224.0.0.1/", Inner),
    ("http://255.255.255.255/", Inner),
    ("http://240.0.0.1/", Inner),
    ("http://198.18.0.1/", Inner),
    ("http://192.0.2.1/", Inner),
];

/// Names that lead into private networks or to this machine.
const NAMES: Refused = &[
    ("http://inner.example/", Inner),
    ("http://loop.example/", Inner),
    ("http://mapped.example/", Inner),
    ("http://nat64.example/", Inner),
    ("http://metadata.example/", Inner),
    ("http://zero.example/", Inner),
    ("http://mixed.example/", Inner),
    ("http://mixed6.example/", Inner),
    ("http://INNER.example/", Inner),
    ("http://inner.example./", Host),
    ("http://empty.example/", Unresolved),
    ("http://nowhere.example/", Unresolved),
];

/// Addresses with a user, or with something that looks like one.
const PERSONS: Refused = &[
    ("http://public.example@127.0.0.1/", Inner),
    ("http://public.example:80@127.0.0.1/", Inner),
    ("http://a@public.example@127.0.0.1/", Person),
    ("http://@127.0.0.1/", Person),
    ("http://public.example/@127.0.0.1/", Person),
    ("http://public.example#@127.0.0.1/", Letter),
    ("http://127.0.0.1#@public.example/", Letter),
    ("http://public.example?@127.0.0.1/", Host),
    ("http://public.example\\@127.0.0.1/", Letter),
    ("http://127.0.0.1\\@public.example/", Letter),
    ("http://public.example%2f@127.0.0.1/", Inner),
    ("http://127.0.0.1%2f.public.example/", Host),
    ("http://127%2e0%2e0%2e1/", Host),
    ("http://①②⑦.0.0.1/", Letter),
    ("http://public。example/", Letter),
];

/// Ports.
const PORTS: Refused = &[
    ("http://public.example:22/", NotAllowed),
    ("http://public.example:0/", Port),
    ("http://public.example:65536/", Port),
    ("http://public.example:/", Port),
    ("http://public.example:+80/", Port),
    ("http://public.example:80:80/", Port),
    ("http://[::1]:80:80/", Port),
    ("http://[::1]80/", Host),
    ("http://127.0.0.1:8080/", Inner),
];

/// Other schemes.
const KINDS: Refused = &[
    ("https://public.example:8080/", NotAllowed),
    ("rtmp://public.example/", NotAllowed),
    ("HTTP://public.example/", SCHEME),
    ("gopher://public.example/", SCHEME),
    ("ftp://public.example/", SCHEME),
    ("udp://239.0.0.1:1234", SCHEME),
    ("javascript:alert(1)", SCHEME),
    ("data:video/mp4;base64,AAAA", SCHEME),
    ("concat:/etc/passwd", SCHEME),
    ("concat:http://public.example/|/etc/passwd", Letter),
    ("pipe:0", SCHEME),
    ("subfile,,start,0,end,9,,:/etc/passwd", SCHEME),
    ("crypto:http://public.example/", SCHEME),
    ("crypto+http://public.example/", SCHEME),
    ("async:file:/etc/passwd", SCHEME),
    ("file:/etc/passwd", SCHEME),
    ("unix:/run/docker.sock", SCHEME),
    ("video.mp4", SCHEME),
    ("../../etc/passwd", SCHEME),
    ("-", SCHEME),
    ("-i", SCHEME),
    ("", SCHEME),
    ("http:///x", Host),
    ("http://", Host),
    ("http://..", Host),
    ("http://a..b/", Host),
];

/// This machine's files.
const FILES: Refused = &[
    ("file:///etc/passwd", NotAllowed),
    ("file://localhost/etc/passwd", NotAllowed),
    ("file://other/etc/passwd", Letter),
    ("/etc/passwd", NotAllowed),
    ("/dev/video0", NotAllowed),
];

/// Control characters and line ends.
const LETTERS: Refused = &[
    ("http://public.example/\nx", Letter),
    ("http://public.example/\r\nHost: inner", Letter),
    ("http://public.example\0.inner.example/", Letter),
    ("http://public.example/ x", Letter),
    ("/srv/a\0b", Letter),
    ("file:///srv/a%00b", Letter),
    ("/srv/a\nb", Letter),
];

#[test]
fn nothing_but_the_internet_is_reached_where_the_internet_is_allowed() {
    let all = [THIS_MACHINE, INNER_NETWORKS, NAMES, PERSONS, PORTS, KINDS, FILES, LETTERS];
    assert!(all.iter().map(|refused| refused.len()).sum::<usize>() > 100);
    for (address, expected) in all.concat() {
        assert_eq!(decide(&INTERNET, address), Err(expected), "{address:?}");
        // Without patterns, nothing is allowed.
        assert!(decide(&[], address).is_err(), "{address:?}");
    }
    let long = format!("http://public.example/{}", "x".repeat(3000));
    assert_eq!(decide(&INTERNET, &long), Err(Refusal::Long { most: 2048 }));
    for (address, expected) in [
        ("http://public.example/a.jpg?x=a@b", &["93.184.216.34:80", "[2606:4700::1111]:80"][..]),
        ("http://public.example:8080", &["93.184.216.34:8080", "[2606:4700::1111]:8080"]),
        ("https://93.184.216.34/", &["93.184.216.34:443"]),
        ("https://[2606:4700::1111]/", &["[2606:4700::1111]:443"]),
        ("rtsp://user:pass%40word@93.184.216.34/live", &["93.184.216.34:554"]),
        ("http://[::ffff:93.184.216.34]/", &["93.184.216.34:80"]),
    ] {
        assert_eq!(decide(&INTERNET, address).unwrap(), expected, "{address}");
    }
}

#[test]
fn a_pattern_lets_in_the_very_range_or_host_that_it_names() {
    for (patterns, address, is_allowed) in [
        (&["rtsp://10.0.0.0/8"][..], "rtsp://10.20.30.40/live", true),
        (&["rtsp://10.0.0.0/8"], "rtsp://inner.example/live", true),
        (&["rtsp://10.0.0.0/8"], "rtsp://[::ffff:10.0.0.1]/live", true),
        (&["rtsp://10.0.0.0/8"], "rtsp://mixed.example/live", false),
        (&["rtsp://10.0.0.0/8"], "rtsp://11.0.0.1/live", false),
        (&["rtsp://10.0.0.0/8"], "http://10.0.0.1/live", false),
        (&["rtsp://10.0.0.0/8"], "rtsp://10.0.0.1:22/live", false),
        (&["rtsp://10.0.0.0/8:8554"], "rtsp://10.0.0.1:8554/live", true),
        (&["rtsp://10.0.0.0/8:8554"], "rtsp://10.0.0.1/live", false),
        (&["rtsp://10.0.0.0/8:*"], "rtsp://10.0.0.1:1/live", true),
        (&["rtsp://[fd00::]/8"], "rtsp://[fd12::1]/live", true),
        (&["rtsp://[fd00::]/8"], "rtsp://[fe80::1]/live", false),
        (&["http://*", "http://192.168.1.1"], "http://mixed.example/", true),
        (&["http://127.0.0.1:9000"], "http://127.0.0.1:9000/x", true),
        (&["http://127.0.0.1:9000"], "http://localhost:9000/x", false),
        (&["http://localhost:9000/"], "http://localhost:9000/x", true),
        (&["http://localhost:9000"], "http://127.0.0.1:9000/x", false),
        (&["rtsp://cam-*.local"], "rtsp://cam-1.local/live", true),
        (&["rtsp://cam-*.local"], "rtsp://user:secret@cam-1.local/live", true),
        (&["rtsp://cam-*.local"], "rtsp://cam-2.local/live", false),
        (&["rtsp://cam-*.local", "rtsp://169.254.0.0/16"], "rtsp://cam-2.local/live", true),
        (&["rtsp://cam-*.local"], "rtsp://cam-3.local/live", false),
        (&["rtsp://cam-3.local"], "rtsp://cam-3.local/live", true),
        (&["rtsp://cam-*.local"], "rtsp://cam-1.local.example/live", false),
        (&["rtsp://*.example"], "rtsp://metadata.example/", false),
        (&["rtsp://metadata.example"], "rtsp://metadata.example/", false),
        (&["rtsp://169.254.169.254"], "rtsp://metadata.example/", true),
    ] {
        assert_eq!(decide(patterns, address).is_ok(), is_allowed, "{patterns:?} {address}");
    }
}

#[test]
fn nobody_is_asked_for_a_name_that_cannot_be_allowed() {
    let names = Names::new();
    let allowed = AllowedSources::new(["http://public.example", "/srv/"]).unwrap();
    for address in ["http://inner.example/", "rtsp://public.example/", "http://a.public.example/"] {
        assert_eq!(allowed.decide(address, &names), Err(Refusal::NotAllowed), "{address}");
    }
    assert_eq!(*names.asked.lock().unwrap(), Vec::<String>::new());
}

#[test]
fn what_is_no_pattern_is_refused_when_the_server_begins() {
    for pattern in [
        "",
        "video.mp4",
        "ftp://*",
        "rtsp://",
        "rtsp://10.0.0.0/33",
        "rtsp://10.0.0/8",
        "rtsp://cam/x",
        "rtsp://cam:0",
        "rtsp://u@cam",
        "rtsp://127.1",
        "/srv/../etc/",
        "/srv/*/",
        "rtsp://[::ffff:10.0.0.0]/104",
        "*",
        "http://10.*",
    ] {
        let refused = AllowedSources::new([pattern]).unwrap_err().to_string();
        assert!(refused.starts_with(&format!("--allow-source {pattern}: ")), "{refused}");
        assert_eq!(refused.lines().count(), 1);
    }
}

#[cfg(unix)]
#[test]
fn a_file_is_where_its_path_leads_in_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    let (inside, outside) = (root.join("videos"), root.join("private"));
    std::fs::create_dir_all(inside.join("deep")).unwrap();
    std::fs::create_dir(&outside).unwrap();
    for file in [inside.join("deep/a b.mp4"), inside.join("a.mp4"), outside.join("secret.mp4")] {
        std::fs::write(file, "x").unwrap();
    }
    std::os::unix::fs::symlink(outside.join("secret.mp4"), inside.join("link.mp4")).unwrap();
    std::os::unix::fs::symlink(&outside, inside.join("folder")).unwrap();
    std::os::unix::fs::symlink(inside.join("a.mp4"), outside.join("back.mp4")).unwrap();
    let shown = |path: &str| format!("{}/{path}", root.display());
    let names = Names::new();
    let decide = |pattern: &str, address: &str| {
        AllowedSources::new([shown(pattern)]).unwrap().decide(address, &names).map(|checked| checked.address)
    };
    for (address, opened) in [
        (shown("videos/a.mp4"), "videos/a.mp4"),
        (shown("videos/deep/../a.mp4"), "videos/a.mp4"),
        (shown("private/../videos/a.mp4"), "videos/a.mp4"),
        (shown("private/back.mp4"), "videos/a.mp4"),
        (format!("file://{}", shown("videos/deep/a%20b.mp4")), "videos/deep/a b.mp4"),
    ] {
        assert_eq!(decide("videos/", &address), Ok(shown(opened)), "{address}");
    }
    for address in [
        shown("videos/link.mp4"),
        shown("videos/folder/secret.mp4"),
        shown("videos/../private/secret.mp4"),
        shown("videos/deep/../../private/secret.mp4"),
        shown("private/secret.mp4"),
        shown("videos"),
        shown("videos/"),
        shown("videos/deep"),
        shown("videos/none.mp4"),
        shown("videosx/a.mp4"),
        shown("videos/*.mp4"),
        "/etc/passwd".to_owned(),
        "/dev/zero".to_owned(),
        "/proc/self/environ".to_owned(),
    ] {
        assert_eq!(decide("videos/", &address), Err(Refusal::NotAllowed), "{address}");
    }
    assert!(decide("videos/*.mp4", &shown("videos/a.mp4")).is_ok());
    assert!(decide("videos/*.mp4", &shown("videos/deep/a b.mp4")).is_err());
    assert!(decide("videos/*.mp4", &shown("videos/link.mp4")).is_err());
    assert!(AllowedSources::new(["/dev/*"]).unwrap().decide("/dev/zero", &names).is_err(), "no camera");
    assert!(AllowedSources::new(["/proc/"]).unwrap().decide("/etc/passwd", &names).is_err());
}
