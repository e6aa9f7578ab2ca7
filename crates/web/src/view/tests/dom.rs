//! A browser's document, as far as patches touch it: small, slow and strict. Markup that a browser
//! would have to mend makes it panic, and so does a patch that names what is not there.

use std::collections::{BTreeMap, BTreeSet};

use super::super::{Frame, Patch, View};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node {
    Element(Element),
    Text(String),
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Element {
    pub(super) name: String,
    pub(super) attributes: BTreeMap<String, String>,
    pub(super) children: Vec<Node>,
}

/// Elements that have no end.
const VOID: [&str; 5] = ["br", "hr", "link", "meta", "input"];

/// What a page shows and a patch can change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Dom {
    title: String,
    facts: Element,
    session: Element,
    changes: Element,
}

impl Dom {
    pub(super) fn of(view: &View) -> Self {
        Self::of_page(&view.page(&Frame::default()))
    }

    pub(super) fn of_page(page: &str) -> Self {
        let start = page.find("<body").expect("a page has a body");
        let end = page.find("</html>").expect("a page has an end");
        let body = parse(page[start..end].trim_end());
        let [Node::Element(body)] = body.as_slice() else {
            panic!("a page has one body: {body:?}");
        };
        let mut ids = BTreeSet::new();
        body.check_ids(&mut ids);
        let named = |id: &str| body.find(id).unwrap_or_else(|| panic!("no {id}")).clone();
        Self {
            title: named("title").text(),
            facts: named("facts"),
            session: named("session"),
            changes: named("changes"),
        }
    }

    /// The ids in the session.
    pub(super) fn ids(&self) -> BTreeSet<String> {
        let mut ids = BTreeSet::new();
        self.session.check_ids(&mut ids);
        ids.remove("session");
        ids
    }

    /// A page without content.
    pub(super) fn empty(like: &Self) -> Self {
        let mut dom = like.clone();
        dom.clear();
        dom
    }

    fn clear(&mut self) {
        self.title.clear();
        self.facts.children.clear();
        self.session.children.clear();
        self.changes.children.clear();
    }

    pub(super) fn apply(&mut self, patches: &[Patch]) {
        for patch in patches {
            self.apply_one(patch);
        }
    }

    fn apply_one(&mut self, patch: &Patch) {
        match patch {
            Patch::Put {
                put,
                into,
                after,
                html,
            } => {
                let element = one(html);
                assert_eq!(element.id(), Some(put.as_str()));
                self.take(put);
                let parent = self.parent(into);
                let at = match after {
                    None => 0,
                    Some(after) => 1 + parent.position(after),
                };
                parent.children.insert(at, Node::Element(element));
            }
            Patch::Swap { swap, html } => {
                let element = one(html);
                assert_eq!(element.id(), Some(swap.as_str()));
                *self.find_mut(swap) = element;
            }
            Patch::Blocks { blocks, from, html } => {
                let part = self.find_mut(blocks);
                let body = part.find_class_mut("body").expect("the part has a body");
                assert!(*from <= body.children.len(), "{from} blocks of {body:?}");
                body.children.truncate(*from);
                let new = html.iter().map(|html| Node::Element(one(html)));
                body.children.extend(new);
            }
            Patch::Text { text, from, add } => {
                let element = self.find_mut(text);
                let old: Vec<u16> = element.only_text().encode_utf16().collect();
                let kept = String::from_utf16(&old[..*from]).expect("no character is split");
                element.children = vec![Node::Text(kept + add)];
                element
                    .children
                    .retain(|node| *node != Node::Text(String::new()));
            }
            Patch::Remove { remove } => {
                assert!(self.take(remove), "{remove} is there");
            }
            Patch::Clear { clear } => {
                assert!(clear);
                self.clear();
            }
            Patch::Title { title } => self.title.clone_from(title),
            Patch::Facts { facts } => self.facts.children = parse(facts),
        }
    }

    fn parent(&mut self, id: &str) -> &mut Element {
        match id {
            "session" => &mut self.session,
            "changes" => &mut self.changes,
            message => {
                let message = self.find_mut(message);
                message.find_class_mut("parts").expect("it has parts")
            }
        }
    }

    #[track_caller]
    fn find_mut(&mut self, id: &str) -> &mut Element {
        let both = [&mut self.session, &mut self.changes];
        let found = both.into_iter().find_map(|element| element.find_mut(id));
        found.unwrap_or_else(|| panic!("no element {id}"))
    }

    /// Takes the element with that id out, and says whether it was there.
    fn take(&mut self, id: &str) -> bool {
        self.session.take(id) || self.changes.take(id)
    }
}

impl Element {
    fn id(&self) -> Option<&str> {
        self.attributes.get("id").map(String::as_str)
    }

    fn elements(&self) -> impl Iterator<Item = &Self> {
        self.children.iter().filter_map(|node| match node {
            Node::Element(element) => Some(element),
            Node::Text(_) => None,
        })
    }

    fn find(&self, id: &str) -> Option<&Self> {
        match self.id() == Some(id) {
            true => Some(self),
            false => self.elements().find_map(|element| element.find(id)),
        }
    }

    fn find_where(&mut self, is_it: &dyn Fn(&Self) -> bool) -> Option<&mut Self> {
        if is_it(self) {
            return Some(self);
        }
        self.children.iter_mut().find_map(|node| match node {
            Node::Element(element) => element.find_where(is_it),
            Node::Text(_) => None,
        })
    }

    fn find_mut(&mut self, id: &str) -> Option<&mut Self> {
        self.find_where(&|element| element.id() == Some(id))
    }

    fn find_class_mut(&mut self, class: &str) -> Option<&mut Self> {
        self.find_where(&|element| {
            element.attributes.get("class").map(String::as_str) == Some(class)
        })
    }

    fn take(&mut self, id: &str) -> bool {
        let is_it = |node: &Node| matches!(node, Node::Element(it) if it.id() == Some(id));
        if let Some(at) = self.children.iter().position(is_it) {
            self.children.remove(at);
            return true;
        }
        self.children.iter_mut().any(|node| match node {
            Node::Element(element) => element.take(id),
            Node::Text(_) => false,
        })
    }

    /// The place of a child.
    fn position(&self, id: &str) -> usize {
        let is_it = |node: &Node| matches!(node, Node::Element(it) if it.id() == Some(id));
        let at = self.children.iter().position(is_it);
        at.unwrap_or_else(|| panic!("no sibling {id}"))
    }

    /// The text of an element that has no other children.
    fn only_text(&self) -> &str {
        match self.children.as_slice() {
            [] => "",
            [Node::Text(text)] => text,
            other => panic!("more than text: {other:?}"),
        }
    }

    pub(super) fn text(&self) -> String {
        let texts = self.children.iter().map(|node| match node {
            Node::Element(element) => element.text(),
            Node::Text(text) => text.clone(),
        });
        texts.collect()
    }

    fn check_ids(&self, ids: &mut BTreeSet<String>) {
        if let Some(id) = self.id() {
            assert!(ids.insert(id.to_owned()), "two elements have the id {id}");
        }
        for element in self.elements() {
            element.check_ids(ids);
        }
    }
}

fn one(html: &str) -> Element {
    let mut nodes = parse(html);
    match (nodes.pop(), nodes.is_empty()) {
        (Some(Node::Element(element)), true) => element,
        _ => panic!("not one element: {html}"),
    }
}

/// The nodes of a piece of markup.
pub(super) fn parse(html: &str) -> Vec<Node> {
    let mut open = vec![Element::default()];
    let mut rest = html;
    while !rest.is_empty() {
        if let Some(tag) = rest.strip_prefix("</") {
            let (name, after) = tag.split_once('>').expect("a tag ends");
            let element = open.pop().expect("something is open");
            assert_eq!(element.name, name, "what is open ends, in {html}");
            let parent = open.last_mut().expect("it stands in something");
            parent.children.push(Node::Element(element));
            rest = after;
        } else if let Some(tag) = rest.strip_prefix('<') {
            let (element, after) = start(tag);
            rest = after;
            if VOID.contains(&element.name.as_str()) {
                let parent = open.last_mut().expect("something is open");
                parent.children.push(Node::Element(element));
            } else {
                if element.name == "pre" {
                    rest = rest.strip_prefix('\n').unwrap_or(rest);
                }
                open.push(element);
            }
        } else {
            let end = rest.find('<').unwrap_or(rest.len());
            let text = Node::Text(unescaped(&rest[..end]));
            open.last_mut()
                .expect("something is open")
                .children
                .push(text);
            rest = &rest[end..];
        }
    }
    assert_eq!(open.len(), 1, "all elements end in {html}");
    open.remove(0).children
}

/// An element's start, from its name on, and what follows it.
fn start(tag: &str) -> (Element, &str) {
    let end = tag.find([' ', '>']).expect("a tag ends");
    let name = &tag[..end];
    assert!(
        name.bytes()
            .all(|it| it.is_ascii_lowercase() || it.is_ascii_digit())
    );
    let mut element = Element {
        name: name.to_owned(),
        ..Element::default()
    };
    let mut rest = &tag[end..];
    loop {
        if let Some(after) = rest.strip_prefix('>') {
            return (element, after);
        }
        rest = rest.strip_prefix(' ').expect("a space stands between");
        let end = rest.find([' ', '>', '=']).expect("a tag ends");
        let name = rest[..end].to_owned();
        assert!(name.bytes().all(|it| it.is_ascii_lowercase() || it == b'-'));
        rest = &rest[end..];
        let mut value = String::new();
        if let Some(quoted) = rest.strip_prefix("=\"") {
            let (content, after) = quoted.split_once('"').expect("a value ends");
            (value, rest) = (unescaped(content), after);
        }
        let twice = element.attributes.insert(name, value);
        assert_eq!(twice, None, "an attribute stands once in {tag}");
    }
}

fn unescaped(text: &str) -> String {
    for (at, _) in text.match_indices('&') {
        let known = ["&amp;", "&lt;", "&gt;", "&quot;", "&nbsp;"];
        let is_known = known.iter().any(|entity| text[at..].starts_with(entity));
        assert!(is_known, "an entity of ours in {text}");
    }
    assert!(!text.contains(['>', '\0', '\r']), "plain text in {text}");
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&nbsp;", "\u{a0}")
        .replace("&amp;", "&")
}
