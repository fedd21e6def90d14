//! A way to a server that can be cut.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// When connections are cut, counted in bytes that the server has sent by any of them.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cut {
    Never,
    /// The connection is; later ones are not.
    Once {
        after: u64,
    },
    /// As if the server were gone.
    ForGood {
        after: u64,
    },
}

/// A port that passes everything on to the server of `AWS_ENDPOINT`, and back.
pub(crate) struct Way {
    port: u16,
    passed: Arc<Passed>,
}

struct Passed {
    server: String,
    cut: Cut,
    back: AtomicU64,
    cuts: AtomicU64,
    closed: AtomicBool,
}

impl Way {
    pub(crate) fn to_s3(cut: Cut) -> Self {
        let endpoint = std::env::var("AWS_ENDPOINT").expect("tests/services sets it");
        let server = endpoint.strip_prefix("http://").expect("no TLS on the loopback interface").to_owned();
        let (back, cuts, closed) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
        let passed = Arc::new(Passed { server, cut, back, cuts, closed });
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let of_all = Arc::clone(&passed);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                if !of_all.closed.load(Ordering::SeqCst) {
                    pass(client.unwrap(), &of_all);
                }
            }
        });
        Self { port, passed }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Bytes that the server has sent.
    pub(crate) fn came_back(&self) -> u64 {
        self.passed.back.load(Ordering::SeqCst)
    }

    /// How many connections were cut.
    pub(crate) fn cuts(&self) -> u64 {
        self.passed.cuts.load(Ordering::SeqCst)
    }
}

/// Passes the bytes of one connection, in threads that end with it.
fn pass(client: TcpStream, passed: &Arc<Passed>) {
    let server = TcpStream::connect(&passed.server).unwrap();
    let (mut from_client, mut to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut from_client, &mut to_server);
        let _ = to_server.shutdown(Shutdown::Both);
    });
    let passed = Arc::clone(passed);
    std::thread::spawn(move || {
        let _ = pass_back(server, &client, &passed);
        let _ = client.shutdown(Shutdown::Both);
    });
}

fn pass_back(mut server: TcpStream, mut client: &TcpStream, passed: &Passed) -> std::io::Result<()> {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = server.read(&mut buffer)?;
        let back = passed.back.fetch_add(read as u64, Ordering::SeqCst) + read as u64;
        let is_cut = match passed.cut {
            Cut::Never => false,
            Cut::Once { after } => {
                back > after && passed.cuts.compare_exchange(0, 1, Ordering::SeqCst, Ordering::SeqCst).is_ok()
            }
            Cut::ForGood { after } => back > after,
        };
        if matches!(passed.cut, Cut::ForGood { .. }) && is_cut {
            passed.closed.store(true, Ordering::SeqCst);
        }
        if read == 0 || is_cut {
            return server.shutdown(Shutdown::Both);
        }
        client.write_all(&buffer[..read])?;
    }
}
