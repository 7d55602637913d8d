//! Parameters of a test: where their values come from, and all combinations with readable labels.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::punctuated::Punctuated;
use syn::{Attribute, Error, Expr, FnArg, Pat, PatType, Token};

use crate::attributes::Case;

/// Characters of a value's text in a label; a longer value is told by its position.
const LABEL_CHARACTERS_MAX: usize = 40;
/// Combinations of one test.
const COMBINATIONS_MAX: usize = 10_000;

/// Where the value of a parameter comes from.
enum Source {
    /// `#[values(…)]`.
    Values(Vec<Expr>),
    /// `#[fixture(NAME)]`.
    Fixture(Expr),
    /// The next value of a `#[case]`.
    Case,
}

/// The parameters of a test.
pub struct Parameters {
    all: Vec<(Pat, Source)>,
}

/// One test: its label, empty without parameters, and the values.
pub struct Combination {
    /// Unique within the test.
    pub label: String,
    /// One for each parameter.
    pub values: Vec<TokenStream>,
}

impl Parameters {
    /// Takes `#[values]` and `#[fixture]` off the parameters of a function.
    ///
    /// # Errors
    /// At a parameter that nothing gives a value to.
    pub fn take(inputs: &mut Punctuated<FnArg, Token![,]>, has_cases: bool) -> syn::Result<Self> {
        let mut all = Vec::new();
        for input in inputs {
            let FnArg::Typed(parameter) = input else {
                return Err(Error::new_spanned(input, "a test is a function, not a method"));
            };
            let source = source(parameter, has_cases)?;
            all.push(((*parameter.pat).clone(), source));
        }
        Ok(Self { all })
    }

    /// Fixtures that the parameters name.
    pub fn fixtures(&self) -> impl Iterator<Item = &Expr> {
        self.all.iter().filter_map(|(_, source)| match source {
            Source::Fixture(fixture) => Some(fixture),
            _ => None,
        })
    }

    /// `let` lines that give the names of the parameters their values.
    pub fn bindings(&self, values: &[TokenStream]) -> TokenStream {
        self.all
            .iter()
            .zip(values)
            .filter(|((_, source), _)| !matches!(source, Source::Fixture(_)))
            .map(|((name, _), value)| quote!(let #name = #value;))
            .collect()
    }

    /// Every combination of cases and values.
    ///
    /// # Errors
    /// A case with too many or too few values; too many combinations.
    pub fn combinations(&self, cases: &[Case]) -> syn::Result<Vec<Combination>> {
        if cases.is_empty() {
            return self.combine(None);
        }
        let mut all = Vec::new();
        for case in cases {
            all.extend(self.combine(Some(case))?);
        }
        Ok(all)
    }

    fn combine(&self, case: Option<&Case>) -> syn::Result<Vec<Combination>> {
        let label = case.map_or_else(String::new, |case| case.label.value());
        let mut combined = vec![Combination { label, values: Vec::new() }];
        let mut given = case.map_or(&[][..], |case| &case.values).iter();
        for (name, source) in &self.all {
            match source {
                Source::Fixture(fixture) => {
                    append(&mut combined, &quote!(#fixture.get()));
                }
                Source::Case => {
                    let value = given.next().ok_or_else(|| {
                        let label = case.map(|case| &case.label);
                        Error::new_spanned(label, "too few values for the parameters of the test")
                    })?;
                    append(&mut combined, &quote!(#value));
                }
                Source::Values(values) => combined = multiply(&combined, name, values)?,
            }
        }
        match given.next() {
            None => Ok(combined),
            Some(more) => Err(Error::new_spanned(more, "no parameter takes this value")),
        }
    }
}

fn source(parameter: &mut PatType, has_cases: bool) -> syn::Result<Source> {
    let (ours, kept): (Vec<Attribute>, Vec<Attribute>) = parameter
        .attrs
        .drain(..)
        .partition(|attribute| ["values", "fixture"].iter().any(|n| attribute.path().is_ident(n)));
    parameter.attrs = kept;
    match ours.as_slice() {
        [] if has_cases => Ok(Source::Case),
        [] => {
            let text = "no value: write #[values(…)] or #[fixture(NAME)] before it, or #[case(…)] \
                        above the function";
            Err(Error::new_spanned(&parameter.pat, text))
        }
        [one] if one.path().is_ident("fixture") => one.parse_args().map(Source::Fixture),
        [one] => {
            let values = one.parse_args_with(Punctuated::<Expr, Token![,]>::parse_terminated)?;
            if values.is_empty() {
                return Err(Error::new_spanned(one, "no values: there would be no test"));
            }
            Ok(Source::Values(values.into_iter().collect()))
        }
        [_, second, ..] => Err(Error::new_spanned(second, "a parameter has one source of values")),
    }
}

/// Gives each combination one more value.
fn append(combined: &mut [Combination], value: &TokenStream) {
    for one in combined {
        one.values.push(value.clone());
    }
}

fn multiply(
    combined: &[Combination],
    name: &Pat,
    values: &[Expr],
) -> syn::Result<Vec<Combination>> {
    if combined.len() * values.len() > COMBINATIONS_MAX {
        let text = format!("more than {COMBINATIONS_MAX} combinations");
        return Err(Error::new_spanned(name, text));
    }
    let mut all = Vec::new();
    for one in combined {
        for (at, value) in values.iter().enumerate() {
            let part = format!("{}={}", text_of(name), label_of(value, at));
            let label = if one.label.is_empty() { part } else { format!("{},{part}", one.label) };
            let mut values = one.values.clone();
            values.push(quote!(#value));
            all.push(Combination { label, values });
        }
    }
    Ok(all)
}

/// The text of a literal, the source of another expression, the position of a long one.
fn label_of(value: &Expr, at: usize) -> String {
    let text = match value {
        Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) => text.value(),
        other => text_of(other),
    };
    let is_readable = !text.is_empty()
        && text.chars().count() <= LABEL_CHARACTERS_MAX
        && !text.contains(char::is_control);
    if is_readable { text } else { format!("#{}", at + 1) }
}

fn text_of(tokens: &impl ToTokens) -> String {
    tokens.to_token_stream().to_string().replace(' ', "")
}
