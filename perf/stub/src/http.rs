//! HTTP/1.1 on loopback, as little of it as an SDK needs: one thread per connection, kept alive.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use crate::Stub;
use crate::answer::Request;
use crate::faults::Fault;

pub(crate) fn serve(listener: &TcpListener, stub: &Arc<Stub>) {
    for stream in listener.incoming() {
        let Ok(stream) = stream else { continue };
        let stub = Arc::clone(stub);
        std::thread::spawn(move || {
            // A connection that breaks is the client's affair.
            let _ = connection(stream, &stub);
        });
    }
}

fn connection(stream: TcpStream, stub: &Stub) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    while let Some(request) = read(&mut reader)? {
        let (reply, fault) = stub.reply(&request);
        if fault == Some(Fault::Hang) {
            std::thread::sleep(Duration::from_secs(30));
            return Ok(());
        }
        if fault == Some(Fault::Reset) {
            return Ok(());
        }
        let mut head =
            format!("HTTP/1.1 {} S\r\nContent-Type: {}\r\nContent-Length: {}\r\n", reply.status, reply.content_type, reply.body.len());
        if let Some(error) = &reply.error {
            head.push_str(&format!("x-amzn-ErrorType: {error}\r\n"));
        }
        head.push_str("\r\n");
        writer.write_all(head.as_bytes())?;
        if fault == Some(Fault::Truncated) {
            writer.write_all(reply.body.get(..reply.body.len() / 2).unwrap_or_default())?;
            return Ok(());
        }
        writer.write_all(&reply.body)?;
    }
    Ok(())
}

fn read(reader: &mut BufReader<TcpStream>) -> std::io::Result<Option<Request>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace();
    let method = words.next().unwrap_or_default().to_owned();
    let (path, query) = match words.next().unwrap_or_default().split_once('?') {
        Some((path, query)) => (path.to_owned(), query.to_owned()),
        None => (line.split_whitespace().nth(1).unwrap_or_default().to_owned(), String::new()),
    };
    let (mut length, mut target, mut authorization) = (0, String::new(), String::new());
    loop {
        let mut header = String::new();
        if reader.read_line(&mut header)? == 0 || header.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = header.split_once(':') {
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.trim().parse().unwrap_or(0),
                "x-amz-target" => target = value.trim().to_owned(),
                "authorization" => authorization = value.trim().to_owned(),
                _ => {}
            }
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Some(Request { method, path, query, target, authorization, body }))
}
