//! The streams of pages, as a browser reads them.

use serde_json::Value;
use share_model::Slug;

use crate::client::{Answer, Client};
use crate::scene::Scene;

/// An event of a live page.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Event {
    pub(crate) name: String,
    pub(crate) id: Option<String>,
    pub(crate) data: Value,
}

impl Event {
    /// Where a change leads.
    #[track_caller]
    pub(crate) fn cursor(&self) -> u64 {
        let cursor = self.data["cursor"].as_u64().expect("a change has a cursor");
        let id = self.id.as_deref().expect("a change has an id");
        let (_, of_id) = id.split_once(':').unwrap();
        assert_eq!(of_id, cursor.to_string());
        cursor
    }
}

/// A live page that is open.
pub(crate) struct Live {
    client: Client,
    text: String,
    /// How often the server has only said that it is there.
    pub(crate) comments: usize,
}

impl Live {
    pub(crate) fn of(client: Client) -> Self {
        Self {
            client,
            text: String::new(),
            comments: 0,
        }
    }

    /// The next event; `None`: the stream has ended.
    pub(crate) async fn event(&mut self) -> Option<Event> {
        loop {
            let Some((block, rest)) = self.text.split_once("\n\n") else {
                let chunk = self.client.chunk().await?;
                self.text.push_str(str::from_utf8(&chunk).unwrap());
                continue;
            };
            let mut event = Event {
                name: String::new(),
                id: None,
                data: Value::Null,
            };
            for line in block.lines() {
                match line.split_once(": ") {
                    Some(("event", name)) => event.name = name.into(),
                    Some(("id", id)) => event.id = Some(id.into()),
                    Some(("data", data)) => event.data = serde_json::from_str(data).unwrap(),
                    Some(("retry", "500")) => {}
                    _ if line == ":" => self.comments += 1,
                    _ => panic!("what is {line}?"),
                }
            }
            self.text = rest.to_owned();
            if !event.name.is_empty() {
                return Some(event);
            }
        }
    }

    /// The next change or end; what tells only how many view is passed over.
    pub(crate) async fn change(&mut self) -> Event {
        loop {
            let event = self.event().await.expect("the stream goes on");
            if event.name != "viewers" {
                return event;
            }
        }
    }

    /// Waits until the viewers are told to be so many.
    pub(crate) async fn viewers(&mut self, count: u64) {
        loop {
            let event = self.event().await.expect("the stream goes on");
            if event.name == "viewers" && event.data["count"] == count {
                return;
            }
        }
    }
}

/// What a page says of itself, of the attributes of its body.
#[track_caller]
pub(crate) fn told(page: &Answer, name: &str) -> String {
    let (_, rest) = page
        .text()
        .split_once(&format!("data-{name}=\""))
        .expect("the page says it");
    rest.split('"').next().unwrap().to_owned()
}

/// The path of a share's page, or of its streams.
pub(crate) fn page_path(slug: &Slug, below: &str) -> String {
    format!("/share/{}{below}", slug.to_text())
}

impl Scene {
    pub(crate) async fn page(&self, slug: &Slug) -> Answer {
        let page = self.get(&page_path(slug, "")).await;
        assert_eq!(page.status, 200, "{}", page.text());
        page
    }

    /// Where a page that is asked for now stands, as an id of events.
    pub(crate) async fn page_at(&self, slug: &Slug) -> String {
        let page = self.page(slug).await;
        format!("{}:{}", told(&page, "history"), told(&page, "cursor"))
    }

    /// Opens a stream, or is refused.
    pub(crate) async fn stream(
        &self,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<(Answer, Client), Answer> {
        let mut client = self.client().await;
        client
            .send(self.request(&format!("GET {path}"), headers, ""))
            .await;
        let head = client.begin().await;
        match head.status {
            200 => Ok((head, client)),
            _ => Err(head),
        }
    }

    pub(crate) async fn live_with(
        &self,
        slug: &Slug,
        query: &str,
        headers: &[(&str, &str)],
    ) -> Live {
        let path = page_path(slug, "/live") + query;
        let (head, client) = self.stream(&path, headers).await.unwrap();
        assert_eq!(head.header("content-type"), Some("text/event-stream"));
        Live::of(client)
    }

    /// The live page of whoever has seen everything up to `after`.
    pub(crate) async fn live(&self, slug: &Slug, after: &str) -> Live {
        self.live_with(slug, &format!("?after={after}"), &[]).await
    }
}
