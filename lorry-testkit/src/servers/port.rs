//! Ports for servers.

use std::net::{Ipv4Addr, TcpListener};

/// A TCP port on 127.0.0.1 that is free at this moment, between 20000 and 32000.
///
/// Below the range from which the system takes the ports of clients: a port from there could go to a client while the server is
/// down for a restart, and a client that keeps connecting to its own port may even reach itself.
///
/// # Panics
/// No port is free.
pub fn free_port() -> u16 {
    (0..1_000)
        .map(|_| fastrand::u16(20_000..32_000))
        .find(|&port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok())
        .unwrap_or_else(|| panic!("no free port on 127.0.0.1 between 20000 and 32000"))
}
