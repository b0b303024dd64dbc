//! The part of an MQTT 5 broker that a test needs: it accepts and acknowledges what is published.

use std::io::{Read, Result, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};

/// What a broker receives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Somebody connects: with this user, password and last will (topic and text).
    Connected {
        user: String,
        password: String,
        will: (String, String),
    },
    Published {
        topic: String,
        text: String,
        is_kept: bool,
    },
    /// A connection was closed with DISCONNECT.
    Left,
}

/// A broker that closes its first connection at message number `cut` without acknowledging it.
pub(crate) fn broker(cut: usize) -> (String, Receiver<Heard>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("mqtt://{}", listener.local_addr().unwrap());
    let (tell, heard) = channel();
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let most = if number == 0 { cut } else { usize::MAX };
            // A server that has ended is no failure.
            let _ = serve(stream.unwrap(), most, &tell);
        }
    });
    (address, heard)
}

fn serve(mut stream: TcpStream, most: usize, tell: &Sender<Heard>) -> Result<()> {
    let mut published = 0;
    loop {
        let (kind, body) = packet(&mut stream)?;
        let mut rest = Rest(&body);
        match kind >> 4 {
            1 => {
                let _ = tell.send(connected(&mut rest));
                stream.write_all(&[0x20, 3, 0, 0, 0])?;
            }
            3 => {
                let topic = rest.text();
                assert_eq!((kind >> 1) & 3, 1, "at least once");
                let number = rest.bytes(2).to_vec();
                rest.properties();
                let text = String::from_utf8(rest.0.to_vec()).unwrap();
                published += 1;
                if published > most {
                    return Ok(());
                }
                let _ = tell.send(Heard::Published { topic, text, is_kept: kind & 1 == 1 });
                stream.write_all(&[&[0x40, 2], &number[..]].concat())?;
            }
            12 => stream.write_all(&[0xd0, 0])?,
            14 => {
                let _ = tell.send(Heard::Left);
                return Ok(());
            }
            other => panic!("a packet of type {other}"),
        }
    }
}

fn connected(rest: &mut Rest<'_>) -> Heard {
    assert_eq!((rest.text().as_str(), rest.bytes(1)), ("MQTT", &[5][..]));
    let flags = rest.bytes(1)[0];
    assert_eq!(flags, 0b1110_1110, "user, password, a kept will told at least once, a clean start");
    rest.bytes(2);
    rest.properties();
    assert!(rest.text().starts_with("prospect-"));
    rest.properties();
    let will = (rest.text(), rest.text());
    Heard::Connected { user: rest.text(), password: rest.text(), will }
}

/// The first byte of a packet and what follows its length.
fn packet(stream: &mut TcpStream) -> Result<(u8, Vec<u8>)> {
    let mut byte = || -> Result<u8> {
        let mut one = [0];
        stream.read_exact(&mut one)?;
        Ok(one[0])
    };
    let kind = byte()?;
    let mut length = 0;
    for place in 0..4 {
        let digit = byte()?;
        length |= usize::from(digit & 0x7f) << (7 * place);
        if digit & 0x80 == 0 {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok((kind, body))
}

/// The unread part of a packet.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn bytes(&mut self, length: usize) -> &'a [u8] {
        let (bytes, rest) = self.0.split_at(length);
        self.0 = rest;
        bytes
    }

    fn text(&mut self) -> String {
        let length = self.bytes(2);
        let length = usize::from(length[0]) << 8 | usize::from(length[1]);
        String::from_utf8(self.bytes(length).to_vec()).unwrap()
    }

    /// Skips the properties, which have fewer than 128 bytes.
    fn properties(&mut self) {
        let length = self.bytes(1)[0];
        assert!(length < 128);
        self.bytes(usize::from(length));
    }
}
