//! A writer of Redis, which appends to a stream by a script that recognises repeats, and one of its
//! subscribers.

use std::rc::Rc;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufStream};
use tokio::net::TcpStream;

use crate::arrivals::Arrivals;
use crate::error::BenchError;
use crate::load::Load;

/// Applies what is above the lane's highest seq, and tells whoever subscribed. Keys: the share's stream,
/// its ledger. Arguments: the lane, the first seq, then the ops.
const SCRIPT: &str = "\
local highest = tonumber(redis.call('HGET', KEYS[2], ARGV[1]) or '0')
local first = tonumber(ARGV[2])
if first > highest + 1 then return redis.error_reply('out of order') end
local applied = 0
for at = 3, #ARGV do
  if first + at - 3 > highest then
    redis.call('XADD', KEYS[1], '*', 'op', ARGV[at])
    redis.call('PUBLISH', KEYS[1], first + at - 3 .. ' ' .. ARGV[at])
    applied = applied + 1
  end
end
if applied > 0 then redis.call('HSET', KEYS[2], ARGV[1], first + #ARGV - 3) end
return applied";

/// A connection that speaks the protocol's version 2.
pub(crate) struct RedisConnection {
    stream: BufStream<TcpStream>,
    line: Vec<u8>,
}

/// What a server answers.
#[derive(Debug, PartialEq, Eq)]
enum Reply {
    Text(String),
    Number(i64),
    Bytes(Option<Vec<u8>>),
    List(usize),
}

impl RedisConnection {
    pub(crate) async fn connect(address: &str) -> Result<Self, BenchError> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream: BufStream::with_capacity(64 << 10, 64 << 10, stream),
            line: Vec::new(),
        })
    }

    async fn send(&mut self, words: &[&[u8]]) -> Result<(), BenchError> {
        let head = format!("*{}\r\n", words.len());
        self.stream.write_all(head.as_bytes()).await?;
        for word in words {
            let head = format!("${}\r\n", word.len());
            self.stream.write_all(head.as_bytes()).await?;
            self.stream.write_all(word).await?;
            self.stream.write_all(b"\r\n").await?;
        }
        Ok(self.stream.flush().await?)
    }

    /// The next reply, or the next part of a list.
    async fn receive(&mut self) -> Result<Reply, BenchError> {
        self.line.clear();
        self.stream.read_until(b'\n', &mut self.line).await?;
        let line = String::from_utf8_lossy(self.line.trim_ascii_end()).into_owned();
        let unknown = || BenchError::Unexpected(format!("redis answers {line:?}"));
        let (kind, rest) = line.split_at_checked(1).ok_or_else(unknown)?;
        let number = || rest.parse::<i64>().map_err(|_| unknown());
        Ok(match kind {
            "+" => Reply::Text(rest.to_owned()),
            ":" => Reply::Number(number()?),
            "*" => Reply::List(usize::try_from(number()?).map_err(|_| unknown())?),
            "$" => match usize::try_from(number()?) {
                Err(_) => Reply::Bytes(None),
                Ok(length) => {
                    let mut bytes = vec![0; length + 2];
                    self.stream.read_exact(&mut bytes).await?;
                    bytes.truncate(length);
                    Reply::Bytes(Some(bytes))
                }
            },
            _ => return Err(unknown()),
        })
    }

    /// Whether it takes commands.
    pub(crate) async fn ping(&mut self) -> Result<(), BenchError> {
        self.send(&[b"PING"]).await?;
        self.receive().await.map(drop)
    }
}

/// A writer with a stream of its own.
pub(crate) struct RedisLane {
    connection: RedisConnection,
    script: Vec<u8>,
    stream: String,
    next: u64,
    batch_ops: usize,
    op: Vec<u8>,
}

impl RedisLane {
    pub(crate) async fn open(address: &str, number: usize, load: Load) -> Result<Self, BenchError> {
        let mut connection = RedisConnection::connect(address).await?;
        connection
            .send(&[b"SCRIPT", b"LOAD", SCRIPT.as_bytes()])
            .await?;
        let Reply::Bytes(Some(script)) = connection.receive().await? else {
            return Err(BenchError::Unexpected("redis takes no script".into()));
        };
        Ok(Self {
            connection,
            script,
            stream: format!("share:{number}"),
            next: 1,
            batch_ops: load.batch_ops,
            op: vec![b'x'; load.op_bytes],
        })
    }

    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    pub(crate) async fn append(&mut self) -> Result<(), BenchError> {
        let (first, ledger) = (self.next.to_string(), format!("{}:ledger", self.stream));
        let mut words: Vec<&[u8]> = vec![b"EVALSHA", &self.script, b"2", self.stream.as_bytes()];
        words.extend([ledger.as_bytes(), b"lane", first.as_bytes()]);
        words.extend(std::iter::repeat_n(self.op.as_slice(), self.batch_ops));
        self.connection.send(&words).await?;
        self.next += self.batch_ops as u64;
        match self.connection.receive().await? {
            Reply::Number(applied) if usize::try_from(applied) == Ok(self.batch_ops) => Ok(()),
            reply => Err(BenchError::Unexpected(format!("redis answers {reply:?}"))),
        }
    }

    /// Subscribes to the first writer's stream, and counts what arrives until the connection ends.
    pub(crate) async fn watch(address: &str, arrivals: Rc<Arrivals>) -> Result<(), BenchError> {
        let mut connection = RedisConnection::connect(address).await?;
        connection.send(&[b"SUBSCRIBE", b"share:0"]).await?;
        loop {
            match connection.receive().await? {
                Reply::Number(_) => arrivals.is_live(),
                Reply::Bytes(Some(bytes)) => {
                    let space = bytes.iter().position(|byte| *byte == b' ');
                    let seq = space.and_then(|at| str::from_utf8(&bytes[..at]).ok()?.parse().ok());
                    arrivals.came(seq.into_iter());
                }
                Reply::List(_) | Reply::Text(_) | Reply::Bytes(None) => {}
            }
        }
    }
}
