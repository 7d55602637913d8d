//! The words in `#[test_fn(…)]`: how an `async` test is run.

use proc_macro2::TokenStream;
use quote::quote;
use syn::parse::Parser;
use syn::{Error, Expr, Lit, MetaNameValue, Token, punctuated::Punctuated};

/// How tokio runs an `async` test.
#[derive(Default)]
pub struct Runtime {
    /// `flavor = "multi_thread"`.
    is_multi_thread: bool,
    worker_threads: Option<Expr>,
    start_paused: Option<Expr>,
    /// The first word, for the error of a function that is not `async`.
    first: Option<syn::Path>,
}

impl Runtime {
    /// Reads the words.
    ///
    /// # Errors
    /// At the word that is not known or does not fit.
    pub fn parse(words: TokenStream) -> syn::Result<Self> {
        let words = Punctuated::<MetaNameValue, Token![,]>::parse_terminated.parse2(words)?;
        let mut runtime = Self::default();
        for word in words {
            runtime.first.get_or_insert_with(|| word.path.clone());
            if word.path.is_ident("flavor") {
                runtime.is_multi_thread = is_multi_thread(&word.value)?;
            } else if word.path.is_ident("worker_threads") {
                runtime.worker_threads = Some(word.value);
            } else if word.path.is_ident("start_paused") {
                runtime.start_paused = Some(word.value);
            } else {
                let expected = "expected `flavor`, `worker_threads` or `start_paused`";
                return Err(Error::new_spanned(word.path, expected));
            }
        }
        match (&runtime.worker_threads, &runtime.start_paused) {
            (Some(threads), _) if !runtime.is_multi_thread => {
                Err(Error::new_spanned(threads, "needs flavor = \"multi_thread\""))
            }
            (_, Some(paused)) if runtime.is_multi_thread => {
                Err(Error::new_spanned(paused, "time is paused on one thread only"))
            }
            _ => Ok(runtime),
        }
    }

    /// The call `future` driven to its end, or just the call.
    ///
    /// # Errors
    /// Words for a function that is not `async`.
    pub fn drive(&self, is_async: bool, call: TokenStream) -> syn::Result<TokenStream> {
        if !is_async {
            return match &self.first {
                None => Ok(call),
                Some(word) => Err(Error::new_spanned(word, "only an `async fn` has a runtime")),
            };
        }
        let builder = if self.is_multi_thread {
            quote!(::tokio::runtime::Builder::new_multi_thread())
        } else {
            quote!(::tokio::runtime::Builder::new_current_thread())
        };
        let threads = self.worker_threads.iter().map(|threads| quote!(.worker_threads(#threads)));
        let paused = self.start_paused.iter().map(|paused| quote!(.start_paused(#paused)));
        Ok(quote! {
            #builder #(#threads)* #(#paused)* .enable_all().build()
                .expect("tokio makes a runtime")
                .block_on(#call)
        })
    }
}

fn is_multi_thread(value: &Expr) -> syn::Result<bool> {
    let text = match value {
        Expr::Lit(syn::ExprLit { lit: Lit::Str(text), .. }) => text.value(),
        _ => String::new(),
    };
    match text.as_str() {
        "multi_thread" => Ok(true),
        "current_thread" => Ok(false),
        _ => Err(Error::new_spanned(value, "expected \"multi_thread\" or \"current_thread\"")),
    }
}
