//! A small HTTP/1.1 client that sends whatever bytes it is given.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What a server may take to answer.
const ANSWER: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    read: Vec<u8>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in lower case; without `date`.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut all = self.headers.iter().filter(|(it, _)| it == name);
        let first = all.next();
        assert!(all.next().is_none(), "{name} is there twice");
        first.map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("the body is JSON")
    }

    pub(crate) fn text(&self) -> &str {
        str::from_utf8(&self.body).expect("the body is text")
    }

    /// What it says is wrong.
    pub(crate) fn error(&self) -> String {
        let json = self.json();
        assert!(json["hint"].is_string(), "{json} has no hint");
        json["error"].as_str().expect("there is an error").into()
    }
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self {
            stream: TcpStream::connect(address).await.unwrap(),
            read: Vec::new(),
        }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
    }

    /// The next answer.
    pub(crate) async fn answer(&mut self) -> Answer {
        self.answer_to(false).await.expect("there is an answer")
    }

    /// The next answer, to a HEAD.
    pub(crate) async fn answer_to_head(&mut self) -> Answer {
        self.answer_to(true).await.expect("there is an answer")
    }

    /// The next answer; `None`: the connection has ended.
    pub(crate) async fn answer_to(&mut self, is_head: bool) -> Option<Answer> {
        tokio::time::timeout(ANSWER, self.read_answer(is_head))
            .await
            .expect("the server answers or ends the connection")
    }

    /// Waits for the end of the connection, and has what came before it.
    pub(crate) async fn end(mut self) -> Vec<u8> {
        while tokio::time::timeout(ANSWER, self.more())
            .await
            .expect("the connection ends")
        {}
        self.read
    }

    /// The head of the next answer, whose body is read chunk by chunk.
    pub(crate) async fn begin(&mut self) -> Answer {
        let head = tokio::time::timeout(ANSWER, self.head()).await;
        head.expect("the server answers")
            .expect("there is an answer")
    }

    /// The next chunk; `None`: there is no more.
    pub(crate) async fn chunk(&mut self) -> Option<Vec<u8>> {
        let chunk = tokio::time::timeout(ANSWER, self.next_chunk()).await;
        let chunk = chunk.expect("something comes, or the end")?;
        (!chunk.is_empty()).then_some(chunk)
    }

    async fn head(&mut self) -> Option<Answer> {
        let head = loop {
            if let Some(at) = find(&self.read, b"\r\n\r\n") {
                break at;
            }
            if !self.more().await {
                return None;
            }
        };
        let text = String::from_utf8(self.read.drain(..head + 4).collect()).unwrap();
        let mut lines = text.split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().unwrap();
        let headers: Vec<_> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .filter(|(name, _)| name != "date")
            .collect();
        Some(Answer {
            status,
            headers,
            body: Vec::new(),
        })
    }

    async fn read_answer(&mut self, is_head: bool) -> Option<Answer> {
        let mut answer = self.head().await?;
        let status = answer.status;
        let is_bare = is_head || status < 200 || matches!(status, 204 | 304);
        answer.body = match (answer.header("content-length"), is_bare) {
            (_, true) => Vec::new(),
            (Some(length), _) => self.exactly(length.parse().unwrap()).await?,
            (None, _) => self.chunked().await?,
        };
        Some(answer)
    }

    async fn chunked(&mut self) -> Option<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let chunk = self.next_chunk().await?;
            if chunk.is_empty() {
                return Some(body);
            }
            body.extend(chunk);
        }
    }

    /// The next chunk, the last of which is empty; `None`: the connection has ended.
    async fn next_chunk(&mut self) -> Option<Vec<u8>> {
        let line = loop {
            if let Some(at) = find(&self.read, b"\r\n") {
                break self.exactly(at + 2).await?;
            }
            if !self.more().await {
                return None;
            }
        };
        let size = str::from_utf8(&line).unwrap().trim();
        let size = usize::from_str_radix(size, 16).expect("a chunk has a size");
        let mut chunk = self.exactly(size + 2).await?;
        chunk.truncate(size);
        Some(chunk)
    }

    async fn exactly(&mut self, bytes: usize) -> Option<Vec<u8>> {
        while self.read.len() < bytes {
            if !self.more().await {
                return None;
            }
        }
        Some(self.read.drain(..bytes).collect())
    }

    /// `false`: the connection has ended.
    async fn more(&mut self) -> bool {
        self.stream
            .read_buf(&mut self.read)
            .await
            .is_ok_and(|bytes| bytes > 0)
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}
