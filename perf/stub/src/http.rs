//! HTTP/1.1 on loopback, as little of it as an SDK needs: one thread per connection, kept alive, one buffer per connection and one write per answer.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::answer::{Reply, Request};
use crate::faults::Fault;

/// Whoever answers requests.
pub(crate) trait Answering: Send + Sync + 'static {
    /// The answer, and what becomes of it on the way.
    fn reply(&self, request: &Request) -> (Reply, Option<Fault>);
}

pub(crate) fn serve<S: Answering>(listener: &TcpListener, stub: &Arc<S>) {
    each(listener, stub, |stream, stub| connection(stream, stub));
}

/// The same behind TLS. `met` is told of every handshake.
pub(crate) fn serve_tls<S, F>(listener: &TcpListener, stub: &Arc<S>, tls: &Arc<ServerConfig>, met: F)
where
    S: Answering,
    F: Fn(&S) + Send + Sync + 'static,
{
    let tls = Arc::clone(tls);
    each(listener, stub, move |mut stream, stub| {
        let mut session = ServerConnection::new(Arc::clone(&tls)).map_err(std::io::Error::other)?;
        while session.is_handshaking() {
            session.complete_io(&mut stream)?;
        }
        met(stub);
        connection(StreamOwned::new(session, stream), stub)
    });
}

fn each<S, F>(listener: &TcpListener, stub: &Arc<S>, serve: F)
where
    S: Answering,
    F: Fn(TcpStream, &S) -> std::io::Result<()> + Send + Sync + 'static,
{
    let serve = Arc::new(serve);
    for stream in listener.incoming() {
        let Ok(stream) = stream else { continue };
        let (stub, serve) = (Arc::clone(stub), Arc::clone(&serve));
        std::thread::spawn(move || {
            // A connection that breaks is the client's affair.
            let _ = stream.set_nodelay(true).and_then(|()| serve(stream, &stub));
        });
    }
}

fn connection<S: Answering>(mut stream: impl Read + Write, stub: &S) -> std::io::Result<()> {
    let (mut received, mut whole) = (Vec::new(), Vec::new());
    while let Some(request) = read(&mut stream, &mut received)? {
        let (reply, fault) = stub.reply(&request);
        if fault == Some(Fault::Hang) {
            std::thread::sleep(Duration::from_secs(30));
            return Ok(());
        }
        if fault == Some(Fault::Reset) {
            return Ok(());
        }
        whole.clear();
        write!(whole, "HTTP/1.1 {} S\r\nContent-Type: {}\r\nContent-Length: {}\r\n", reply.status, reply.content_type, reply.body.len())?;
        if let Some(error) = &reply.error {
            write!(whole, "x-amzn-ErrorType: {error}\r\n")?;
        }
        for (name, value) in &reply.headers {
            write!(whole, "{name}: {value}\r\n")?;
        }
        whole.extend_from_slice(b"\r\n");
        if fault == Some(Fault::Truncated) {
            stream.write_all(&whole)?;
            stream.write_all(reply.body.get(..reply.body.len() / 2).unwrap_or_default())?;
            return Ok(());
        }
        // Copying a page costs less than a second write.
        whole.extend_from_slice(&reply.body);
        stream.write_all(&whole)?;
        stream.flush()?;
        if request.closes {
            return Ok(());
        }
    }
    Ok(())
}

/// The next request, from what was received before and what comes; `None` where the client is gone.
fn read(stream: &mut impl Read, received: &mut Vec<u8>) -> std::io::Result<Option<Request>> {
    let end = loop {
        if let Some(end) = received.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        if !more(stream, received)? {
            return Ok(None);
        }
    };
    let head = String::from_utf8_lossy(received.get(..end).unwrap_or_default()).into_owned();
    received.drain(..end + 4);
    let mut lines = head.split("\r\n");
    let mut words = lines.next().unwrap_or_default().split_whitespace();
    let method = words.next().unwrap_or_default().to_owned();
    let target = words.next().unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let (path, query) = (path.to_owned(), query.to_owned());
    // Who speaks the old version waits for the end of the connection.
    let closes = words.next() == Some("HTTP/1.0");
    let (mut length, mut target, mut authorization) = (0, String::new(), String::new());
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().unwrap_or(0);
        } else if name.eq_ignore_ascii_case("x-amz-target") {
            value.trim().clone_into(&mut target);
        } else if name.eq_ignore_ascii_case("authorization") {
            value.trim().clone_into(&mut authorization);
        }
    }
    while received.len() < length {
        if !more(stream, received)? {
            return Ok(None);
        }
    }
    let body = received.drain(..length).collect();
    Ok(Some(Request { method, path, query, target, authorization, body, closes }))
}

fn more(stream: &mut impl Read, received: &mut Vec<u8>) -> std::io::Result<bool> {
    let mut chunk = [0; 8192];
    let count = stream.read(&mut chunk)?;
    received.extend_from_slice(chunk.get(..count).unwrap_or_default());
    Ok(count > 0)
}
