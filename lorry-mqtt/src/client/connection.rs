//! The two directions of a connection.

use bytes::{Buf, BytesMut};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::Instant;

/// Room for each read. Payloads are slices of this.
const READ: usize = 64 << 10;
/// How long the farewell may take.
const FAREWELL: Duration = Duration::from_secs(3);

/// Both directions of a connection.
pub(super) struct Connection {
    pub(super) reader: Box<dyn AsyncRead + Send + Unpin>,
    pub(super) writer: Box<dyn AsyncWrite + Send + Unpin>,
    /// What is written may stay in a buffer until it is flushed.
    pub(super) needs_flush: bool,
    socket: Option<socket2::Socket>,
    /// Reads that were not confirmed, and the last time one was.
    unconfirmed: u32,
    confirmed: Option<Instant>,
}

/// So many reads, or so much time, may pass between two requests to confirm at once: the kernel grants some 16 segments each time.
const CONFIRM_READS: u32 = 8;
const CONFIRM_TIME: Duration = Duration::from_micros(500);

impl Connection {
    /// `socket` is a handle to what lies below, for its settings.
    pub(super) fn new(
        reader: impl AsyncRead + Send + Unpin + 'static,
        writer: impl AsyncWrite + Send + Unpin + 'static,
        needs_flush: bool,
        socket: Option<socket2::Socket>,
    ) -> Self {
        let (reader, writer) = (Box::new(reader), Box::new(writer));
        Self { reader, writer, needs_flush, socket, unconfirmed: 0, confirmed: None }
    }

    /// Has the kernel confirm at once what was read. Servers that leave Nagle's algorithm on (mosquitto does) hold the second of two
    /// small packets back until the first is confirmed, and a kernel in no hurry takes 40 ms for that. The setting does not last, so
    /// this belongs after each read; in a flood of them it asks every few reads only.
    pub(super) fn confirm_reads(&mut self, now: Instant) {
        self.unconfirmed += 1;
        let recent = self.confirmed.is_some_and(|at| now < at + CONFIRM_TIME);
        if recent && self.unconfirmed < CONFIRM_READS {
            return;
        }
        (self.unconfirmed, self.confirmed) = (0, Some(now));
        #[cfg(target_os = "linux")]
        if let Some(socket) = &self.socket {
            // Worse than slow it cannot get.
            let _ = socket.set_tcp_quickack(true);
        }
    }
}

/// Writes what there is, within reason: the peer may not read any more.
pub(super) async fn write_out(buffer: &mut BytesMut, connection: &mut Connection) {
    let writing = async {
        while buffer.has_remaining() {
            if connection.writer.write_buf(buffer).await? == 0 {
                break;
            }
        }
        connection.writer.flush().await?;
        connection.writer.shutdown().await
    };
    match tokio::time::timeout(FAREWELL, writing).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!("the last packets could not be written: {error}"),
        Err(_) => tracing::debug!("the server did not take the last packets in time"),
    }
}

/// Reads on until the server has closed, within reason. A socket that is closed with something unread resets the connection, and the
/// reset may overtake the last acknowledgements: their messages would come again.
pub(super) async fn hear_out(connection: &mut Connection) {
    let mut unheard = BytesMut::with_capacity(READ);
    let closing = async {
        while connection.reader.read_buf(&mut unheard).await.is_ok_and(|read| read > 0) {
            unheard.clear();
        }
    };
    // Not closing is the server's affair.
    let _ = tokio::time::timeout(FAREWELL, closing).await;
}

/// Reads a piece. 0 bytes are the end.
pub(super) async fn read(reader: &mut (impl AsyncRead + Unpin), inbox: &mut BytesMut) -> std::io::Result<usize> {
    if inbox.capacity() - inbox.len() < READ / 4 {
        inbox.reserve(READ);
    }
    reader.read_buf(inbox).await
}

/// What a [`write()`] did.
pub(super) enum Wrote {
    Bytes,
    Flushed,
    Nothing,
}

/// Writes a piece of the buffer, or flushes what was written before.
pub(super) async fn write(writer: &mut (impl AsyncWrite + Unpin), buffer: &mut BytesMut) -> std::io::Result<Wrote> {
    if buffer.is_empty() {
        writer.flush().await?;
        return Ok(Wrote::Flushed);
    }
    Ok(if writer.write_buf(buffer).await? == 0 { Wrote::Nothing } else { Wrote::Bytes })
}
