//! A TCP proxy that breaks on demand.

use crate::servers::free_port;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// A network that fails: stands between a client and a server, on a port of its own, and does what it is told.
///
/// It runs in a thread of its own, so that neither a blocked test nor paused time has an influence on it; a call has taken effect
/// when it returns.
///
/// ```
/// use lorry_testkit::{Direction, Proxy};
/// use std::io::{Read, Write};
/// use std::net::{TcpListener, TcpStream};
///
/// let server = TcpListener::bind("127.0.0.1:0")?;
/// let proxy = Proxy::start(server.local_addr()?);
/// let mut client = TcpStream::connect(proxy.addr())?;
/// let (mut peer, _) = server.accept()?;
///
/// // The request arrives, the answer does not: executed but unacknowledged.
/// proxy.stall(Direction::Down);
/// client.write_all(b"commit")?;
/// peer.read_exact(&mut [0; 6])?;
/// peer.write_all(b"done")?;
/// proxy.cut();
/// assert!(client.read(&mut [0; 4]).is_err());
/// assert!(TcpStream::connect(proxy.addr()).is_err());
///
/// proxy.restore();
/// assert!(TcpStream::connect(proxy.addr()).is_ok());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Proxy {
    addr: SocketAddr,
    commands: mpsc::UnboundedSender<(Command, oneshot::Sender<()>)>,
    counters: Arc<Counters>,
    thread: Option<JoinHandle<()>>,
}

/// Which way the bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the server.
    Up,
    /// From the server to the client.
    Down,
    /// Either way.
    Both,
}

#[derive(Debug, Default)]
struct Counters {
    accepted: AtomicUsize,
    open: AtomicUsize,
}

#[derive(Debug)]
enum Command {
    Cut,
    Reset,
    Restore,
    Stall(Direction),
    Delay(Duration),
}

/// What holds at the moment for all connections.
#[derive(Clone, Copy, Debug, Default)]
struct Weather {
    up_stalled: bool,
    down_stalled: bool,
    delay: Duration,
    /// Counts; a connection ends when it changes.
    cuts: u64,
}

impl Proxy {
    /// A proxy on a free port of 127.0.0.1 to this server, which need not be there yet.
    ///
    /// # Panics
    /// There is no port, or no thread.
    pub fn start(server: impl Into<SocketAddr>) -> Self {
        let server = server.into();
        let (commands, received) = mpsc::unbounded_channel();
        let counters = Arc::new(Counters::default());
        let (ready, addr) = std::sync::mpsc::channel();
        let shared = counters.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build();
            let runtime = runtime.unwrap_or_else(|error| panic!("cannot start the proxy: {error}"));
            runtime.block_on(async {
                let listener = (0..100).find_map(|_| listen(SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()))).ok());
                let listener = listener.unwrap_or_else(|| panic!("the proxy cannot listen"));
                let addr = listener.local_addr().unwrap_or_else(|error| panic!("the proxy has no address: {error}"));
                let _ = ready.send(addr);
                serve(listener, addr, server, received, shared).await;
            });
        });
        let addr = addr.recv().unwrap_or_else(|_| panic!("the proxy did not start"));
        Self { addr, commands, counters, thread: Some(thread) }
    }

    /// A proxy to this port of 127.0.0.1.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    pub fn to_port(port: u16) -> Self {
        Self::start((Ipv4Addr::LOCALHOST, port))
    }

    /// Where clients connect.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The port at which clients connect, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.addr.port()
    }

    /// Resets all connections and refuses new ones. What the proxy held back is lost.
    pub fn cut(&self) {
        self.tell(Command::Cut);
    }

    /// Resets all connections; new ones are accepted.
    pub fn reset(&self) {
        self.tell(Command::Reset);
    }

    /// Ends all trouble: accepts connections, delivers what was held back, no delay.
    pub fn restore(&self) {
        self.tell(Command::Restore);
    }

    /// Holds bytes back; connections are accepted and stay open. A stall of one direction does not end one of the other.
    pub fn stall(&self, direction: Direction) {
        self.tell(Command::Stall(direction));
    }

    /// Delivers each byte so much later than it came, in both directions.
    pub fn delay(&self, delay: Duration) {
        self.tell(Command::Delay(delay));
    }

    /// How many connections clients have made so far.
    pub fn accepted(&self) -> usize {
        self.counters.accepted.load(Ordering::SeqCst)
    }

    /// How many connections are open.
    pub fn open(&self) -> usize {
        self.counters.open.load(Ordering::SeqCst)
    }

    fn tell(&self, command: Command) {
        let (done, answer) = oneshot::channel();
        // Not `blocking_recv`: that one panics inside a runtime, and the answer comes in microseconds from another thread.
        assert!(self.commands.send((command, done)).is_ok(), "the proxy has ended");
        let mut answer = answer;
        loop {
            match answer.try_recv() {
                Ok(()) => return,
                Err(oneshot::error::TryRecvError::Empty) => std::thread::sleep(Duration::from_micros(50)),
                Err(oneshot::error::TryRecvError::Closed) => panic!("the proxy has ended"),
            }
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // The end of its commands is the end of the proxy.
        let (commands, _) = mpsc::unbounded_channel();
        self.commands = commands;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn listen(addr: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    socket.listen(128)
}

async fn serve(
    listener: TcpListener,
    addr: SocketAddr,
    server: SocketAddr,
    mut commands: mpsc::UnboundedReceiver<(Command, oneshot::Sender<()>)>,
    counters: Arc<Counters>,
) {
    let mut listener = Some(listener);
    let weather = watch::Sender::new(Weather::default());
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            command = commands.recv() => {
                let Some((command, done)) = command else {
                    weather.send_modify(|weather| weather.cuts += 1);
                    while connections.join_next().await.is_some() {}
                    return;
                };
                match command {
                    Command::Cut | Command::Reset => {
                        if matches!(command, Command::Cut) {
                            listener = None;
                        }
                        weather.send_modify(|weather| weather.cuts += 1);
                        while connections.join_next().await.is_some() {}
                    }
                    Command::Restore => {
                        weather.send_modify(|weather| *weather = Weather { cuts: weather.cuts, ..Weather::default() });
                        while listener.is_none() {
                            listener = listen(addr).ok();
                            if listener.is_none() {
                                tokio::time::sleep(Duration::from_millis(5)).await;
                            }
                        }
                    }
                    Command::Stall(direction) => weather.send_modify(|weather| {
                        weather.up_stalled |= direction != Direction::Down;
                        weather.down_stalled |= direction != Direction::Up;
                    }),
                    Command::Delay(delay) => weather.send_modify(|weather| weather.delay = delay),
                }
                let _ = done.send(());
            }
            accepted = accept(listener.as_ref()) => {
                counters.accepted.fetch_add(1, Ordering::SeqCst);
                let cuts = weather.borrow().cuts;
                connections.spawn(relay(accepted, server, weather.subscribe(), cuts, Open::new(counters.clone())));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn accept(listener: Option<&TcpListener>) -> TcpStream {
    loop {
        match listener {
            None => std::future::pending().await,
            Some(listener) => {
                if let Ok((stream, _)) = listener.accept().await {
                    return stream;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    }
}

/// Counts a connection for as long as it lives.
struct Open(Arc<Counters>);

impl Open {
    fn new(counters: Arc<Counters>) -> Self {
        counters.open.fetch_add(1, Ordering::SeqCst);
        Self(counters)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

/// One connection, until both ends have closed, one has failed or the proxy cuts.
async fn relay(mut client: TcpStream, server: SocketAddr, weather: watch::Receiver<Weather>, cuts: u64, _open: Open) {
    let mut storm = weather.clone();
    let cut = async { _ = storm.wait_for(|weather| weather.cuts != cuts).await };
    tokio::pin!(cut);
    // Finished even when the cut comes first: the server may have accepted it already, and is to see a reset, not an end.
    let connect = tokio::time::timeout(Duration::from_secs(1), TcpStream::connect(server));
    let Ok(Ok(mut upstream)) = connect.await else {
        _ = client.set_zero_linger();
        return;
    };
    _ = (client.set_nodelay(true), upstream.set_nodelay(true));
    let ended_well = {
        let ((from_client, to_client), (from_server, to_server)) = (client.split(), upstream.split());
        let up = pipe(from_client, to_server, weather.clone(), |weather| weather.up_stalled);
        let down = pipe(from_server, to_client, weather, |weather| weather.down_stalled);
        tokio::select! {
            // The first failure ends the other direction as well.
            ended = async { tokio::try_join!(up, down) } => ended.is_ok(),
            () = cut => false,
        }
    };
    if !ended_well {
        // Dropping them resets them, then. (After a regular end it would discard what is still on its way.)
        _ = (client.set_zero_linger(), upstream.set_zero_linger());
    }
}

/// Bytes one way. Reading goes on for a megabyte while nothing is delivered, as a real network's buffers would.
async fn pipe(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    mut weather: watch::Receiver<Weather>,
    is_stalled: fn(&Weather) -> bool,
) -> std::io::Result<()> {
    let (sender, mut chunks) = mpsc::channel::<(Instant, Vec<u8>)>(64);
    let read = async move {
        let mut buffer = vec![0; 16 << 10];
        loop {
            let n = from.read(&mut buffer).await?;
            let chunk = (Instant::now(), buffer[..n].to_vec());
            if n == 0 || sender.send(chunk).await.is_err() {
                return Ok(());
            }
        }
    };
    let write = async move {
        while let Some((came, chunk)) = chunks.recv().await {
            let delay = weather.borrow().delay;
            if !delay.is_zero() {
                tokio::time::sleep_until(came + delay).await;
            }
            if weather.wait_for(|weather| !is_stalled(weather)).await.is_err() {
                return Err(std::io::ErrorKind::ConnectionAborted.into());
            }
            to.write_all(&chunk).await?;
        }
        to.shutdown().await
    };
    tokio::try_join!(read, write).map(|_| ())
}
