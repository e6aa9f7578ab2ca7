//! A writer of PostgreSQL, which inserts under unique ids, and one of its subscribers.

use std::rc::Rc;

use tokio::io::{AsyncReadExt, AsyncWriteExt, BufStream};
use tokio::net::TcpStream;

use super::Ids;
use crate::arrivals::Arrivals;
use crate::error::BenchError;
use crate::load::Load;

/// What the shares are kept in.
pub(crate) const SCHEMA: &str = "CREATE TABLE ops (share integer NOT NULL, id uuid PRIMARY KEY, \
    seq bigint NOT NULL, op text NOT NULL)";
/// One round trip for a batch of any size; a repeat changes nothing.
const INSERT: &str = "INSERT INTO ops (share, id, seq, op) SELECT $1::integer, * FROM \
    unnest($2::uuid[], $3::bigint[], $4::text[]) ON CONFLICT DO NOTHING";
/// The same, and each op is told to who listens, when it is committed.
const INSERT_AND_NOTIFY: &str = "WITH new AS (INSERT INTO ops (share, id, seq, op) SELECT $1::integer, * \
    FROM unnest($2::uuid[], $3::bigint[], $4::text[]) ON CONFLICT DO NOTHING RETURNING seq, op) \
    SELECT pg_notify('ops', seq || ' ' || op) FROM new";

/// A connection that speaks the protocol's version 3, to a server that trusts it.
pub(crate) struct PostgresConnection {
    stream: BufStream<TcpStream>,
    body: Vec<u8>,
}

impl PostgresConnection {
    /// Connects.
    pub(crate) async fn connect(address: &str) -> Result<Self, BenchError> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let stream = BufStream::with_capacity(64 << 10, 64 << 10, stream);
        let mut connection = Self {
            stream,
            body: Vec::new(),
        };
        let mut startup = 196_608_i32.to_be_bytes().to_vec();
        startup.extend_from_slice(b"user\0bench\0database\0postgres\0\0");
        connection.send(None, &startup).await?;
        connection.stream.flush().await?;
        connection.ready().await?;
        Ok(connection)
    }

    async fn send(&mut self, kind: Option<u8>, body: &[u8]) -> Result<(), BenchError> {
        if let Some(kind) = kind {
            self.stream.write_all(&[kind]).await?;
        }
        let length = u32::try_from(body.len() + 4).map_err(|_| too_long())?;
        self.stream.write_all(&length.to_be_bytes()).await?;
        Ok(self.stream.write_all(body).await?)
    }

    /// The next message's kind; its body lies in `body`.
    async fn receive(&mut self) -> Result<u8, BenchError> {
        let kind = self.stream.read_u8().await?;
        let length = self.stream.read_u32().await?.saturating_sub(4);
        self.body
            .resize(usize::try_from(length).map_err(|_| too_long())?, 0);
        self.stream.read_exact(&mut self.body).await?;
        if kind == b'E' {
            let words = String::from_utf8_lossy(&self.body).replace('\0', " ");
            return Err(BenchError::Unexpected(format!("postgres says: {words}")));
        }
        Ok(kind)
    }

    /// Reads until the server is ready for the next command.
    async fn ready(&mut self) -> Result<(), BenchError> {
        while self.receive().await? != b'Z' {}
        Ok(())
    }

    /// Runs statements without parameters.
    pub(crate) async fn execute(&mut self, statements: &str) -> Result<(), BenchError> {
        self.send(Some(b'Q'), format!("{statements}\0").as_bytes())
            .await?;
        self.stream.flush().await?;
        self.ready().await
    }

    async fn prepare(&mut self, statement: &str) -> Result<(), BenchError> {
        let body = format!("append\0{statement}\0\0\0");
        self.send(Some(b'P'), body.as_bytes()).await?;
        self.send(Some(b'S'), &[]).await?;
        self.stream.flush().await?;
        self.ready().await
    }

    /// Runs the prepared statement.
    async fn run(&mut self, parameters: &[&str]) -> Result<(), BenchError> {
        let mut bind = b"\0append\0\0\0".to_vec();
        let count = u16::try_from(parameters.len()).map_err(|_| too_long())?;
        bind.extend_from_slice(&count.to_be_bytes());
        for parameter in parameters {
            let length = u32::try_from(parameter.len()).map_err(|_| too_long())?;
            bind.extend_from_slice(&length.to_be_bytes());
            bind.extend_from_slice(parameter.as_bytes());
        }
        bind.extend_from_slice(&[0, 0]);
        self.send(Some(b'B'), &bind).await?;
        self.send(Some(b'E'), b"\0\0\0\0\0").await?;
        self.send(Some(b'S'), &[]).await?;
        self.stream.flush().await?;
        self.ready().await
    }
}

fn too_long() -> BenchError {
    BenchError::Unexpected("a message for postgres is too long".to_owned())
}

/// A writer with ops of its own.
pub(crate) struct PostgresLane {
    connection: PostgresConnection,
    number: String,
    ids: Ids,
    next: u64,
    batch_ops: usize,
    ops: String,
}

impl PostgresLane {
    /// Opens it; `notifies` if there are subscribers.
    pub(crate) async fn open(
        address: &str,
        number: usize,
        load: Load,
        notifies: bool,
    ) -> Result<Self, BenchError> {
        let mut connection = PostgresConnection::connect(address).await?;
        connection
            .prepare(if notifies { INSERT_AND_NOTIFY } else { INSERT })
            .await?;
        let op = "x".repeat(load.op_bytes);
        Ok(Self {
            connection,
            number: number.to_string(),
            ids: Ids::random(),
            next: 1,
            batch_ops: load.batch_ops,
            ops: list(std::iter::repeat_n(op, load.batch_ops)),
        })
    }

    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    pub(crate) async fn append(&mut self) -> Result<(), BenchError> {
        let next_id = |_| {
            let id = u128::from_be_bytes(self.ids.next());
            format!("{id:032x}")
        };
        let ids = list((0..self.batch_ops).map(next_id));
        let end = self.next + self.batch_ops as u64;
        let seqs = list((self.next..end).map(|seq| seq.to_string()));
        self.next = end;
        let parameters = [&self.number, &ids, &seqs, &self.ops].map(String::as_str);
        self.connection.run(&parameters).await
    }

    /// Listens, and counts what arrives until the connection ends.
    pub(crate) async fn watch(address: &str, arrivals: Rc<Arrivals>) -> Result<(), BenchError> {
        let mut connection = PostgresConnection::connect(address).await?;
        connection.execute("LISTEN ops").await?;
        arrivals.is_live();
        loop {
            if connection.receive().await? != b'A' {
                continue;
            }
            // A process's number, the channel's name, the payload.
            let payload = connection.body.get(4 + "ops\0".len()..).unwrap_or_default();
            let digits = payload
                .iter()
                .take_while(|byte| byte.is_ascii_digit())
                .count();
            let seq = str::from_utf8(&payload[..digits])
                .ok()
                .and_then(|seq| seq.parse().ok());
            arrivals.came(seq.into_iter());
        }
    }
}

/// An array as text.
fn list(items: impl Iterator<Item = String>) -> String {
    format!("{{{}}}", items.collect::<Vec<_>>().join(","))
}
