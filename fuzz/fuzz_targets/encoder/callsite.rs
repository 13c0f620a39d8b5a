//! Callsites with names that are known only at run time, made without the macros.

use std::collections::HashMap;
use std::sync::{Mutex, OnceLock, PoisonError};

use tracing_core::callsite::{Callsite, Identifier};
use tracing_core::dispatcher::{self, Dispatch};
use tracing_core::field::{Field, FieldSet, Value};
use tracing_core::span::{Attributes, Id};
use tracing_core::{Event, Interest, Kind, Level, Metadata};

/// The most fields of one call.
pub const FIELDS: usize = 8;

struct Made(OnceLock<Metadata<'static>>);

impl Callsite for Made {
    fn set_interest(&self, _: Interest) {}

    fn metadata(&self) -> &Metadata<'_> {
        self.0.get().expect("it is set before the callsite is registered")
    }
}

/// The callsite with that name and these fields. Each is made once, because its memory is never freed.
pub fn named(name: &str, fields: &[&str], is_span: bool) -> &'static Metadata<'static> {
    type Key = (String, Vec<String>, bool);
    static MADE: Mutex<Option<HashMap<Key, &'static Metadata<'static>>>> = Mutex::new(None);
    let key = (name.to_owned(), fields.iter().map(|field| (*field).to_owned()).collect(), is_span);
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    made.get_or_insert_default().entry(key).or_insert_with(|| make(name, fields, is_span))
}

fn make(name: &str, fields: &[&str], is_span: bool) -> &'static Metadata<'static> {
    let made: &'static Made = Box::leak(Box::new(Made(OnceLock::new())));
    let names =
        fields.iter().map(|name| &*Box::leak((*name).to_owned().into_boxed_str())).collect::<Vec<_>>();
    let fields = FieldSet::new(names.leak(), Identifier(made));
    let kind = if is_span { Kind::SPAN } else { Kind::EVENT };
    let name = Box::leak(name.to_owned().into_boxed_str());
    made.0.get_or_init(|| Metadata::new(name, "fuzz", Level::INFO, None, None, None, fields, kind))
}

/// Records an event, or a span that is entered and closed at once, as the macros do, for one subscriber.
pub fn record(dispatch: &Dispatch, meta: &'static Metadata<'static>, values: &[Box<dyn Value>]) {
    let fields: Vec<Field> = meta.fields().iter().collect();
    let Some(first) = fields.first() else { return };
    let values: [(&Field, Option<&dyn Value>); FIELDS] = std::array::from_fn(|at| {
        fields.get(at).map_or((first, None), |field| (field, values.get(at).map(|value| &**value)))
    });
    let values = meta.fields().value_set(&values);
    dispatcher::with_default(dispatch, || {
        dispatch.register_callsite(meta);
        if !dispatch.enabled(meta) {
            return;
        }
        if meta.is_event() {
            return Event::dispatch(meta, &values);
        }
        let id: Id = dispatch.new_span(&Attributes::new(meta, &values));
        dispatch.enter(&id);
        dispatch.exit(&id);
        dispatch.try_close(id);
    });
}
