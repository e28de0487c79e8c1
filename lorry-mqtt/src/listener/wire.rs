//! A device's socket, with or without TLS.

use bytes::{Buf, BytesMut};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// How long the last bytes may take.
const FAREWELL: Duration = Duration::from_secs(3);
/// Room for a read, from a device that says little and from one that says much.
const READ: std::ops::RangeInclusive<usize> = 2_048..=65_536;

#[allow(missing_debug_implementations)]
pub(super) struct Stream {
    pub(super) reader: Box<dyn AsyncRead + Send + Unpin>,
    pub(super) writer: Box<dyn AsyncWrite + Send + Unpin>,
}

impl Stream {
    pub(super) fn new(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Self {
        let (reader, writer) = tokio::io::split(stream);
        Self { reader: Box::new(reader), writer: Box::new(writer) }
    }

    pub(super) fn plain(stream: tokio::net::TcpStream) -> Self {
        let (reader, writer) = stream.into_split();
        Self { reader: Box::new(reader), writer: Box::new(writer) }
    }
}

/// Writes what there is, within reason: the peer may not read any more. Whether it went out.
pub(super) async fn write_out(stream: &mut Stream, buffer: &mut BytesMut) -> bool {
    let writing = async {
        while buffer.has_remaining() {
            if stream.writer.write_buf(buffer).await? == 0 {
                return Err(std::io::ErrorKind::WriteZero.into());
            }
        }
        stream.writer.flush().await
    };
    matches!(tokio::time::timeout(FAREWELL, writing).await, Ok(Ok(())))
}

/// Ends the connection in good order.
pub(super) async fn hang_up(stream: &mut Stream) {
    let _ = tokio::time::timeout(FAREWELL, stream.writer.shutdown()).await;
}

/// Reads into a buffer that grows with what the device has to say: a thousand silent devices must not hold a thousand large buffers.
#[derive(Debug)]
pub(super) struct ReadSize(usize);

impl Default for ReadSize {
    fn default() -> Self {
        Self(*READ.start())
    }
}

impl ReadSize {
    /// Cancel-safe. 0 at the end.
    pub(super) async fn read(
        &mut self,
        reader: &mut (impl AsyncRead + Unpin),
        inbox: &mut BytesMut,
    ) -> std::io::Result<usize> {
        if inbox.capacity() - inbox.len() < self.0 / 2 {
            inbox.reserve(self.0);
        }
        let room = inbox.capacity() - inbox.len();
        let read = reader.read_buf(inbox).await?;
        if read == room {
            self.0 = (self.0 * 2).min(*READ.end());
        }
        Ok(read)
    }
}

/// Writes a piece of the buffer; when it is empty, flushes what was written before. Cancel-safe. Whether all is out.
pub(super) async fn write(writer: &mut (impl AsyncWrite + Unpin), buffer: &mut BytesMut) -> std::io::Result<bool> {
    if buffer.is_empty() {
        writer.flush().await?;
        return Ok(true);
    }
    match writer.write_buf(buffer).await? {
        0 => Err(std::io::ErrorKind::WriteZero.into()),
        _ => Ok(false),
    }
}
