//! Paged lists as one stream.

use futures_util::{
    Stream, TryStreamExt as _,
    future::BoxFuture,
    stream::{self, BoxStream},
};

use crate::error::CallError;

/// The items of a page, and the token of the next, which is empty after the last.
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    pub(crate) next_page_token: String,
}

/// All items of all pages. A page is fetched when the previous one is used up; an error is the last item.
pub(crate) fn all_pages<T, F>(fetch: F) -> BoxStream<'static, Result<T, CallError>>
where
    T: Send + 'static,
    F: Fn(String) -> BoxFuture<'static, Result<Page<T>, CallError>> + Send + Sync + 'static,
{
    Box::pin(pages(fetch).map_ok(|items| stream::iter(items.into_iter().map(Ok))).try_flatten())
}

fn pages<T, F>(fetch: F) -> impl Stream<Item = Result<Vec<T>, CallError>>
where
    F: Fn(String) -> BoxFuture<'static, Result<Page<T>, CallError>>,
{
    let first = Some(String::new());
    stream::try_unfold((fetch, first), |(fetch, token)| async move {
        let Some(token) = token else { return Ok(None) };
        let page = fetch(token.clone()).await?;
        // Guards against a server that returns the same page forever.
        if page.next_page_token == token && !token.is_empty() {
            return Err(CallError::malformed("the next page is the same page"));
        }
        let next = (!page.next_page_token.is_empty()).then_some(page.next_page_token);
        Ok(Some((page.items, (fetch, next))))
    })
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt as _, StreamExt as _};

    use super::*;

    fn pages_of(pages: &'static [(&str, &str)]) -> BoxStream<'static, Result<char, CallError>> {
        all_pages(move |token| {
            let index = token.parse::<usize>().unwrap_or_default();
            let (items, next) = pages[index];
            let page = Page { items: items.chars().collect(), next_page_token: next.to_owned() };
            async move { Ok(page) }.boxed()
        })
    }

    #[tokio::test]
    async fn pages_are_joined_and_empty_ones_skipped() {
        let items: Vec<char> = pages_of(&[("ab", "1"), ("", "2"), ("c", "")]).try_collect().await.unwrap();
        assert_eq!(items, ['a', 'b', 'c']);
    }

    #[tokio::test]
    async fn a_page_that_refers_to_itself_is_an_error() {
        let mut items = pages_of(&[("a", "1"), ("b", "1")]);
        assert_eq!(items.next().await.unwrap().unwrap(), 'a');
        let error = items.next().await.unwrap().unwrap_err();
        assert!(error.to_string().contains("the same page"), "{error}");
        assert!(items.next().await.is_none());
    }
}
