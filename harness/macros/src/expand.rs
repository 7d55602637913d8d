//! From the function that the user wrote to the function and its registration.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Error, ItemFn};

use crate::arguments::Runtime;
use crate::attributes::{Sorted, is_ours};
use crate::matrix::{Combination, Parameters};

/// Expands `#[test_fn(arguments)] item`.
///
/// # Errors
/// At the token of the user that is wrong.
pub fn expand(arguments: TokenStream, item: TokenStream) -> syn::Result<TokenStream> {
    let mut function: ItemFn = syn::parse2(item)?;
    let runtime = Runtime::parse(arguments)?;
    if !function.sig.generics.params.is_empty() {
        return Err(Error::new_spanned(&function.sig.generics, "a test has no generic parameters"));
    }
    let sorted = Sorted::new(std::mem::take(&mut function.attrs))?;
    let parameters = Parameters::take(&mut function.sig.inputs, !sorted.cases.is_empty())?;
    let combinations = parameters.combinations(&sorted.cases)?;
    let test =
        Test { function: &function, runtime: &runtime, sorted: &sorted, parameters: &parameters };
    let registered = test.registered(&combinations)?;
    let (kept, conditions) = (&sorted.kept, &sorted.conditions);
    // At the name's own place, so that `line!` gives its line.
    let line = quote_spanned!(function.sig.ident.span()=> ::core::line!());
    Ok(quote! {
        #(#kept)*
        #function
        #(#conditions)*
        const _: () = {
            ::valk_harness::__register! { #line, #registered }
        };
    })
}

/// What the expansion is made from.
struct Test<'a> {
    function: &'a ItemFn,
    runtime: &'a Runtime,
    sorted: &'a Sorted,
    parameters: &'a Parameters,
}

impl Test<'_> {
    fn registered(&self, combinations: &[Combination]) -> syn::Result<TokenStream> {
        let name = self.function.sig.ident.to_string();
        let fixtures = self.parameters.fixtures();
        let declared = &self.sorted.declared;
        let attributes = quote!(#declared #(.fixture(&#fixtures))*);
        if let Some(filter) = &self.sorted.filter {
            return self.filtered(combinations, &attributes, filter);
        }
        if let [only] = combinations
            && only.label.is_empty()
        {
            let body = self.body(only)?;
            return Ok(quote! {
                ::valk_harness::Registered::Single { name: #name, attributes: #attributes, body: #body }
            });
        }
        let labels = combinations.iter().map(|one| &one.label);
        let bodies =
            combinations.iter().map(|one| self.body(one)).collect::<syn::Result<Vec<_>>>()?;
        Ok(quote! {
            ::valk_harness::Registered::Cases {
                name: #name,
                attributes: #attributes,
                cases: &[#((#labels, #bodies)),*],
            }
        })
    }

    /// Which combinations there are is known at start-up only.
    fn filtered(
        &self,
        combinations: &[Combination],
        attributes: &TokenStream,
        filter: &syn::Expr,
    ) -> syn::Result<TokenStream> {
        let name = self.function.sig.ident.to_string();
        let file = quote_spanned!(filter.span()=> ::core::file!());
        let line = quote_spanned!(self.function.sig.ident.span()=> ::core::line!());
        let mut steps = TokenStream::new();
        for one in combinations {
            let full = format!("{name}/{}", one.label);
            let bindings = self.parameters.bindings(&one.values);
            let body = self.body(one)?;
            steps.extend(quote! {
                { #[allow(unused_variables)] // in the code of the user, whose condition may be short
                    let is_wanted: bool = { #bindings #filter };
                    if is_wanted {
                        tests.push(
                            ::valk_harness::TestDefinition::new(#full, #body)
                                .at(#file, #line)
                                .with(#attributes),
                        );
                    }
                }
            });
        }
        Ok(quote! {
            ::valk_harness::Registered::Provider(|| {
                let mut tests = ::std::vec::Vec::new();
                #steps
                tests
            })
        })
    }

    /// A function without parameters that calls the test.
    fn body(&self, combination: &Combination) -> syn::Result<TokenStream> {
        let name = &self.function.sig.ident;
        let values = &combination.values;
        let numbered: Vec<_> =
            (0..values.len()).map(|number| format_ident!("value_{number}")).collect();
        let call = quote!(#name(#(#numbered),*));
        let call = self.runtime.drive(self.function.sig.asyncness.is_some(), call)?;
        Ok(quote! {
            || {
                #(let #numbered = #values;)*
                ::valk_harness::__end!(#call)
            }
        })
    }
}

/// The item without the attributes that only [`expand`] understands. It stands beside the error of an
/// attribute that cannot be used: nothing calls it then, which is not worth a warning of its own.
pub fn without_ours(item: TokenStream) -> TokenStream {
    match syn::parse2::<ItemFn>(item) {
        Err(_) => TokenStream::new(),
        Ok(mut function) => {
            function.attrs.retain(|attribute| !is_ours(attribute));
            for input in &mut function.sig.inputs {
                if let syn::FnArg::Typed(parameter) = input {
                    parameter.attrs.clear();
                }
            }
            quote!(#[allow(dead_code)] #function)
        }
    }
}
