//! The attributes above a test: which are ours, and what they become.

use proc_macro2::TokenStream;
use quote::quote;
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::{Attribute, Error, Expr, Ident, LitStr, Meta, Path, Token};

/// One `#[case("label", value, …)]`.
pub struct Case {
    /// Its name within the test.
    pub label: LitStr,
    /// Values of the parameters without `#[values]` and `#[fixture]`, in their order.
    pub values: Vec<Expr>,
}

/// What stands above a test, sorted.
#[derive(Default)]
pub struct Sorted {
    /// The value of `Attributes`, built step by step.
    pub declared: TokenStream,
    /// `#[case(…)]` lines.
    pub cases: Vec<Case>,
    /// `#[filter(…)]`: combinations for which it is false are left out.
    pub filter: Option<Expr>,
    /// `#[cfg(…)]` lines, for the registration as well.
    pub conditions: Vec<Attribute>,
    /// Everything that stays above the function.
    pub kept: Vec<Attribute>,
}

/// The attributes that [`Sorted`] takes off a function.
const OURS: [&str; 12] = [
    "owner",
    "until",
    "timeout_ms",
    "retries",
    "isolation",
    "require",
    "skip",
    "ignore",
    "fixture",
    "should_panic",
    "case",
    "filter",
];

/// Whether an attribute is one of ours.
pub fn is_ours(attribute: &Attribute) -> bool {
    OURS.iter().any(|name| attribute.path().is_ident(name))
}

impl Sorted {
    /// Sorts the attributes of a function.
    ///
    /// # Errors
    /// At an attribute that is not written as it has to be.
    pub fn new(attributes: Vec<Attribute>) -> syn::Result<Self> {
        let mut sorted =
            Self { declared: quote!(::valk_harness::Attributes::new()), ..Self::default() };
        for attribute in attributes {
            sorted.take(attribute)?;
        }
        Ok(sorted)
    }

    fn take(&mut self, attribute: Attribute) -> syn::Result<()> {
        let name = attribute.path().get_ident().map(Ident::to_string).unwrap_or_default();
        let step = match name.as_str() {
            "timeout_ms" => {
                let limit = value(&attribute, "#[timeout_ms = 500]")?;
                quote!(.timeout_ms(#limit))
            }
            "owner" => {
                let name = value(&attribute, "#[owner = \"name\"]")?;
                quote!(.owner(#name))
            }
            "until" => {
                let day = value(&attribute, "#[until = \"2027-01-31\"]")?;
                quote!(.until(#day))
            }
            "retries" => {
                let retries = value(&attribute, "#[retries = 2]")?;
                quote!(.retries(#retries))
            }
            "isolation" => {
                let class = value(&attribute, "#[isolation = Exec]")?;
                quote!(.isolation(::valk_harness::Isolation::#class))
            }
            "require" => {
                let code = value(&attribute, "#[require = NeedsCores(4)]")?;
                quote!(.require(::valk_harness::SkipCode::#code))
            }
            "fixture" => {
                let fixture = value(&attribute, "#[fixture = NAME]")?;
                quote!(.fixture(&#fixture))
            }
            "ignore" => {
                let reason = optional_text(&attribute, "#[ignore = \"why\"]")?;
                let reason = reason.map_or_else(|| quote!("no reason given"), |text| quote!(#text));
                quote!(.ignore(#reason))
            }
            "should_panic" => should_panic(&attribute)?,
            "skip" => skip(&attribute)?,
            "case" => {
                self.cases.push(case(&attribute)?);
                quote!()
            }
            "filter" => {
                self.filter = Some(attribute.parse_args()?);
                quote!()
            }
            "test" => {
                let text = "libtest's #[test] is not needed, and removes the function here";
                return Err(Error::new_spanned(attribute, text));
            }
            _ => {
                if name == "cfg" {
                    self.conditions.push(attribute.clone());
                }
                self.kept.push(attribute);
                quote!()
            }
        };
        self.declared.extend(step);
        Ok(())
    }
}

/// The expression behind `=`.
fn value<'a>(attribute: &'a Attribute, example: &str) -> syn::Result<&'a Expr> {
    match &attribute.meta {
        Meta::NameValue(pair) => Ok(&pair.value),
        other => Err(Error::new_spanned(other, format!("expected {example}"))),
    }
}

fn optional_text<'a>(attribute: &'a Attribute, example: &str) -> syn::Result<Option<&'a Expr>> {
    match &attribute.meta {
        Meta::Path(_) => Ok(None),
        _ => value(attribute, example).map(Some),
    }
}

/// `#[should_panic]`, `#[should_panic = "part"]`, `#[should_panic(expected = "part")]`.
fn should_panic(attribute: &Attribute) -> syn::Result<TokenStream> {
    const EXAMPLE: &str = "#[should_panic(expected = \"part of the message\")]";
    let part = match &attribute.meta {
        Meta::List(list) => {
            let pair: syn::MetaNameValue = list.parse_args()?;
            if !pair.path.is_ident("expected") {
                return Err(Error::new_spanned(pair.path, format!("expected {EXAMPLE}")));
            }
            Some(pair.value)
        }
        _ => optional_text(attribute, EXAMPLE)?.cloned(),
    };
    let part = part.map_or_else(|| quote!(""), |part| quote!(#part));
    Ok(quote!(.should_panic(#part)))
}

/// `#[skip = expected(CODE, "reason")]`, `#[skip = broken("id", "reason")]`.
fn skip(attribute: &Attribute) -> syn::Result<TokenStream> {
    const EXAMPLE: &str =
        "expected #[skip = expected(CODE, \"reason\")] or #[skip = broken(\"id\", \"reason\")]";
    let wrong = || Error::new_spanned(attribute, EXAMPLE);
    let Expr::Call(call) = value(attribute, EXAMPLE)? else { return Err(wrong()) };
    let Expr::Path(class) = &*call.func else { return Err(wrong()) };
    let arguments: Vec<&Expr> = call.args.iter().collect();
    let ([first, reason], class) = (arguments.as_slice(), &class.path) else { return Err(wrong()) };
    let is = |path: &Path, name| path.is_ident(name);
    if is(class, "expected") {
        Ok(quote! {
            .skip(::valk_harness::StaticSkip::Expected(::valk_harness::SkipCode::#first, #reason))
        })
    } else if is(class, "broken") {
        Ok(quote!(.skip(::valk_harness::StaticSkip::Broken(#first, #reason))))
    } else {
        Err(wrong())
    }
}

fn case(attribute: &Attribute) -> syn::Result<Case> {
    let parts = Punctuated::<Expr, Token![,]>::parse_terminated;
    let Meta::List(list) = &attribute.meta else {
        return Err(Error::new_spanned(attribute, "expected #[case(\"label\", value, …)]"));
    };
    let mut parts = parts.parse2(list.tokens.clone())?.into_iter();
    match parts.next() {
        Some(Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(label), .. })) => {
            Ok(Case { label, values: parts.collect() })
        }
        Some(other) => Err(Error::new_spanned(other, "a case begins with its label, a text")),
        None => Err(Error::new_spanned(attribute, "expected #[case(\"label\", value, …)]")),
    }
}
