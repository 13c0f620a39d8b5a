//! A port at which nobody answers.

use tokio::net::TcpSocket;

/// A port on 127.0.0.1 that refuses connections, and that nobody else can listen on until this is dropped.
pub struct ClosedPort {
    number: u16,
    /// Bound, and never listened on.
    _socket: TcpSocket,
}

impl ClosedPort {
    #[expect(clippy::new_without_default, reason = "it takes a port, which no default should")]
    pub fn new() -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind(([127, 0, 0, 1], 0).into()).expect("127.0.0.1 has a free port");
        let number = socket.local_addr().expect("a bound socket has an address").port();
        Self { number, _socket: socket }
    }

    pub fn number(&self) -> u16 {
        self.number
    }
}
