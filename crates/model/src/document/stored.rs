//! A value of a document: kept as the text that brought it until somebody looks at it.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use serde_json::Value;

/// A value with what it counts against the limits.
#[derive(Debug, Clone)]
pub struct StoredValue {
    pub(super) content: Content,
    pub(super) bytes: u64,
}

/// Of a value that was put and not changed since there is the text only: most values are replaced before
/// anybody looks at them, and a text is smaller than what is read from it.
#[derive(Debug, Clone)]
pub(super) enum Content {
    /// A text from which a value can be read, and that value once somebody wanted it.
    Text(Arc<str>, OnceLock<Arc<Value>>),
    /// A value that was changed since its text came.
    Value(Arc<Value>),
}

impl Content {
    /// The content that is said by `json`, at which a look has told that it can be read.
    pub(super) fn text(json: Arc<str>) -> Self {
        Self::Text(json, OnceLock::new())
    }

    fn value(&self) -> &Arc<Value> {
        match self {
            Self::Text(json, value) => value.get_or_init(|| {
                let value = serde_json::from_str(json);
                Arc::new(value.expect("a look at the text has told that it can be read"))
            }),
            Self::Value(value) => value,
        }
    }
}

impl StoredValue {
    /// The value.
    ///
    /// # Panics
    ///
    /// Never: only a text that can be read is stored.
    pub fn value(&self) -> &Value {
        self.content.value()
    }

    /// The value as JSON text: as it was sent, if it was not changed since; else without white space.
    ///
    /// # Panics
    ///
    /// Never: any value can be written.
    pub fn json(&self) -> Cow<'_, str> {
        match &self.content {
            Content::Text(json, _) => Cow::Borrowed(json),
            Content::Value(value) => Cow::Owned(value.to_string()),
        }
    }

    /// What the value counts against the limits: the bytes of the texts that made it.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The value, to be changed; copied if others have it too.
    pub(super) fn value_mut(&mut self) -> &mut Value {
        if let Content::Text(..) = self.content {
            let value = Arc::clone(self.content.value());
            self.content = Content::Value(value);
        }
        match &mut self.content {
            Content::Value(value) => Arc::make_mut(value),
            Content::Text(..) => unreachable!("it was made a value above"),
        }
    }
}

/// Whether they say the same, whatever it is kept as.
impl PartialEq for StoredValue {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes && self.value() == other.value()
    }
}
