//! Reading some values of a document, for whoever is about to change them.

use share_engine::{Authority, Context, LogAnswers};
use share_model::{Cursor, Right, StoredValue};

use super::call::{Command, Ran};
use super::share::Share;

/// Asks for the values at some keys. Whoever may append, knows by them what to append: it reads
/// nothing else, and is no viewer.
#[derive(Debug)]
pub(crate) struct ValuesCall {
    pub(crate) authority: Authority,
    pub(crate) keys: Vec<String>,
}

/// Values at one cursor.
#[derive(Debug)]
pub(crate) struct ValuesAt {
    pub(crate) cursor: Cursor,
    /// In the order of the keys; `None`: nothing stands there. Shared with the document.
    pub(crate) values: Vec<Option<StoredValue>>,
}

impl Command for ValuesCall {
    type Answer = ValuesAt;

    fn caller(&self) -> Option<&Authority> {
        Some(&self.authority)
    }

    fn run(&self, share: &mut Share, context: &Context, _log: &LogAnswers) -> Ran<ValuesAt> {
        let values = share.state().and_then(|state| {
            state.authorize(&self.authority, Right::Read, context.now)?;
            state.authorize(&self.authority, Right::Append, context.now)?;
            let document = state.document();
            let values = self.keys.iter().map(|key| document.get(key).cloned());
            Ok(ValuesAt {
                cursor: state.cursor(),
                values: values.collect(),
            })
        });
        values.map(|values| (values, None)).into()
    }
}
