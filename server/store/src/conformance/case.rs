//! A case of the suite, and how a file lists its cases.

use futures_util::future::BoxFuture;

use super::context::Context;

/// One property of every store.
pub(super) struct Case {
    name: &'static str,
    run: fn(Context) -> BoxFuture<'static, ()>,
}

impl Case {
    pub(super) const fn new(name: &'static str, run: fn(Context) -> BoxFuture<'static, ()>) -> Self {
        Self { name, run }
    }

    pub(super) const fn name(&self) -> &'static str {
        self.name
    }

    pub(super) fn run(&self, context: Context) -> BoxFuture<'static, ()> {
        (self.run)(context)
    }
}

/// Lists the cases of a file.
macro_rules! cases {
    ($($name:ident),+ $(,)?) => {
        pub(super) fn cases() -> Vec<super::case::Case> {
            vec![$(super::case::Case::new(
                concat!(module_path!(), "::", stringify!($name)),
                |context| Box::pin($name(context)),
            )),+]
        }
    };
}
pub(super) use cases;
