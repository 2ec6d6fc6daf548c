//! One span for many traces: what is done for a batch belongs to the trace of its first traced member, and is linked to those
//! of the others.

use opentelemetry::Context;
use opentelemetry::trace::Link;

use crate::trace_context::TraceContext;

/// Most traces that the span of a batch is linked to. A batch can have hundreds of traced members, and each link takes some
/// fifty bytes on the way to a collector.
pub const MAX_LINKS: usize = 32;

/// The traces for which something is done at once.
#[derive(Clone, Debug)]
pub struct BatchTrace {
    first: TraceContext,
    /// At most [`MAX_LINKS`], each once.
    others: Vec<TraceContext>,
}

/// The other traces, for the spans that are made below.
struct Others(Vec<TraceContext>);

impl BatchTrace {
    /// That of a batch with these traced members. None: there is none.
    pub fn of(members: impl IntoIterator<Item = TraceContext>) -> Option<Self> {
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

    /// What the work on the batch is done in: spans below it belong to the first, and [`links`] are to the others.
    #[must_use]
    pub fn context(self) -> Context {
        let context = self.first.context();
        if self.others.is_empty() { context } else { context.with_value(Others(self.others)) }
    }
}

/// What a span that is made in `context` is linked to.
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

    fn member(number: u8) -> TraceContext {
        let mut bytes = [0; 29];
        (bytes[17], bytes[18], bytes[26], bytes[27], bytes[28]) = (number, 1, number, 2, 1);
        TraceContext::of_bytes(&bytes).unwrap()
    }

    #[test]
    fn a_batch_belongs_to_its_first_trace_and_is_linked_to_the_others() {
        let context = BatchTrace::of([3, 5, 3, 4, 5].map(member)).unwrap().context();
        assert_eq!(TraceContext::from(context.span().span_context()), member(3));
        let linked: Vec<_> =
            links(&context).iter().map(|link| TraceContext::from(&link.span_context)).collect();
        assert_eq!(linked, [member(5), member(4)]);
    }

    #[test]
    fn links_are_bounded_and_nobody_is_none() {
        let context = BatchTrace::of((1..=200).map(member)).unwrap().context();
        assert_eq!(links(&context).len(), MAX_LINKS);
        assert!(links(&BatchTrace::of([member(1)]).unwrap().context()).is_empty());
        assert!(BatchTrace::of([]).is_none());
    }
}
