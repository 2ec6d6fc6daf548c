//! One span for a batch of many traces: it belongs to the trace of the first traced member and has links to the others.

use opentelemetry::Context;
use opentelemetry::trace::Link;

use crate::trace_context::TraceContext;

/// The highest number of links of a batch's span. A batch can have hundreds of traced members, and a link takes some fifty
/// bytes of an export.
pub const MAX_LINKS: usize = 32;

/// The traces of a batch's members.
#[derive(Clone, Debug)]
pub struct BatchTrace {
    first: TraceContext,
    /// Without duplicates, at most [`MAX_LINKS`].
    others: Vec<TraceContext>,
}

/// The other traces, in a context.
struct Others(Vec<TraceContext>);

impl BatchTrace {
    /// The trace of a batch with these traced members; `None` without any.
    pub fn from_members(members: impl IntoIterator<Item = TraceContext>) -> Option<Self> {
        let mut members = members.into_iter();
        let mut trace = Self { first: members.next()?, others: Vec::new() };
        for member in members {
            if trace.others.len() == MAX_LINKS {
                break;
            }
            if member != trace.first && !trace.others.contains(&member) {
                trace.others.push(member);
            }
        }
        Some(trace)
    }

    /// The context for the work on the batch: its spans are children of the first member's, with [`links`] to the others.
    #[must_use]
    pub fn context(self) -> Context {
        let context = self.first.context();
        if self.others.is_empty() { context } else { context.with_value(Others(self.others)) }
    }
}

/// The links of a span that is made in `context`.
#[must_use]
pub fn links(context: &Context) -> Vec<Link> {
    let others = context.get::<Others>().map_or(&[][..], |Others(others)| others);
    others.iter().map(link).collect()
}

/// A link to a span.
#[must_use]
pub fn link(to: &TraceContext) -> Link {
    Link::with_context(to.span_context())
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::TraceContextExt as _;

    use super::*;

    fn member(id: u8) -> TraceContext {
        let mut bytes = [0; 29];
        (bytes[17], bytes[18], bytes[26], bytes[27], bytes[28]) = (id, 1, id, 2, 1);
        TraceContext::from_bytes(&bytes).unwrap()
    }

    #[test]
    fn a_batch_is_in_its_first_trace_and_has_links_to_the_others() {
        let context = BatchTrace::from_members([3, 5, 3, 4, 5].map(member)).unwrap().context();
        assert_eq!(TraceContext::from(context.span().span_context()), member(3));
        let linked: Vec<_> =
            links(&context).iter().map(|link| TraceContext::from(&link.span_context)).collect();
        assert_eq!(linked, [member(5), member(4)]);
    }

    #[test]
    fn links_are_bounded_and_an_empty_batch_has_no_trace() {
        let context = BatchTrace::from_members((1..=200).map(member)).unwrap().context();
        assert_eq!(links(&context).len(), MAX_LINKS);
        assert!(links(&BatchTrace::from_members([member(1)]).unwrap().context()).is_empty());
        assert!(BatchTrace::from_members([]).is_none());
    }
}
