//! Routers: `http2/router` and `router/…`.
//!
//! 1. A router is a table of routes and a list of middleware, both of which may grow while it serves.
//!    `(router/handler router)`, which waits for a request, is its handler.
//! 2. Middleware is a function of a request and of what comes next, a function of a request. The first
//!    that was added is the outermost; all of it surrounds everything that the router answers, also
//!    that there is no such path.
//! 3. A handler under a prefix, which may be that of another router, gets all methods and paths below.
//!    A router there looks at what is left of the path.

pub(super) mod routes;

use self::routes::{ANY, Found, REST, Routes};
use crate::request::RequestObject;
use std::sync::{Mutex, MutexGuard, PoisonError};
use valk_heap::{HostObject, Kind, Tracer, Value};
use valk_lang::builtins::{fail, wrong_type};
use valk_lang::property_list::build;
use valk_vm::{Arity, NativeFn, Outcome, Vm};

/// A router in the heap.
#[derive(Default)]
struct RouterObject(Mutex<Table>);

#[derive(Default)]
struct Table {
    routes: Routes,
    /// The functions that routes lead to, and whether they stand under a prefix.
    handlers: Vec<(Value, bool)>,
    middleware: Vec<Value>,
}

impl RouterObject {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HostObject for RouterObject {
    fn trace(&mut self, tracer: &mut Tracer<'_>) {
        let table = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        for (handler, _) in &mut table.handlers {
            tracer.value(handler);
        }
        for middleware in &mut table.middleware {
            tracer.value(middleware);
        }
    }

    fn type_name(&self) -> &'static str {
        "http_router"
    }
}

pub(super) const TABLE: &[(&str, Arity, NativeFn)] = &[
    ("http2/router", Arity::Exactly(0), |vm, _| new(vm)),
    ("router/get", Arity::Exactly(3), |vm, a| add(vm, "router/get", "GET", a)),
    ("router/post", Arity::Exactly(3), |vm, a| add(vm, "router/post", "POST", a)),
    ("router/put", Arity::Exactly(3), |vm, a| add(vm, "router/put", "PUT", a)),
    ("router/patch", Arity::Exactly(3), |vm, a| add(vm, "router/patch", "PATCH", a)),
    ("router/delete", Arity::Exactly(3), |vm, a| add(vm, "router/delete", "DELETE", a)),
    ("router/any", Arity::Exactly(3), |vm, a| add(vm, "router/any", ANY, a)),
    ("router/mount", Arity::Exactly(3), mount),
    ("router/use", Arity::Exactly(2), add_middleware),
    ("router/handler", Arity::Curried(2), handle),
    ("router/next", Arity::Curried(3), next),
];

fn new(vm: &mut Vm) -> Outcome {
    vm.heap.host(Box::<RouterObject>::default()).into()
}

fn is_router(vm: &Vm, value: Value) -> bool {
    value.host::<RouterObject>(&vm.heap).is_some()
}

/// Changes the table of a router, which is announced to the heap as changed.
fn change<T>(vm: &mut Vm, router: Value, change: impl FnOnce(&mut Table) -> T) -> T {
    vm.heap.touch_host(router);
    let object = router.host::<RouterObject>(&vm.heap).expect("checked by the caller");
    change(&mut object.table())
}

/// The router, pattern and handler of a call, checked.
fn checked<'a>(
    vm: &mut Vm,
    name: &str,
    arguments: &'a [Value],
) -> Result<(Value, String, &'a Value), Outcome> {
    let [router, pattern, handler] = arguments else { unreachable!("three by their arity") };
    if !is_router(vm, *router) {
        return Err(fail(vm, &format!("{name}: first argument must be a router")));
    }
    let Some(text) = pattern.as_bytes(&vm.heap) else {
        return Err(wrong_type(vm, *pattern, "String"));
    };
    let text = String::from_utf8_lossy(text).into_owned();
    Ok((*router, text, handler))
}

fn add(vm: &mut Vm, name: &str, method: &str, arguments: &[Value]) -> Outcome {
    let (router, pattern, handler) = match checked(vm, name, arguments) {
        Ok(checked) => checked,
        Err(outcome) => return outcome,
    };
    if !Vm::is_function(*handler) {
        return wrong_type(vm, *handler, "Function");
    }
    insert(vm, name, router, (*handler, false), |routes, number| {
        routes.add(method, &pattern, number)
    })
}

/// Adds a handler; the router is the result.
fn insert(
    vm: &mut Vm,
    name: &str,
    router: Value,
    handler: (Value, bool),
    add: impl FnOnce(&mut Routes, usize) -> Result<(), String>,
) -> Outcome {
    let added = change(vm, router, |table| {
        let added = add(&mut table.routes, table.handlers.len());
        // Also after an error: part of it may lead here.
        table.handlers.push(handler);
        added
    });
    match added {
        Ok(()) => router.into(),
        Err(problem) => fail(vm, &format!("{name}: {problem}")),
    }
}

fn mount(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    const NAME: &str = "router/mount";
    let (router, prefix, handler) = match checked(vm, NAME, arguments) {
        Ok(checked) => checked,
        Err(outcome) => return outcome,
    };
    let handler = if is_router(vm, *handler) {
        if *handler == router {
            return fail(vm, "router/mount: a router cannot be below itself");
        }
        partial(vm, "router/handler", &[*handler])
    } else if Vm::is_function(*handler) {
        *handler
    } else {
        return wrong_type(vm, *handler, "Function");
    };
    insert(vm, NAME, router, (handler, true), |routes, number| routes.add_below(&prefix, number))
}

/// A builtin that waits for its remaining arguments.
fn partial(vm: &mut Vm, builtin: &str, arguments: &[Value]) -> Value {
    let builtin = vm.builtin(builtin).expect("registered with this table");
    let fields: Vec<Value> = std::iter::once(builtin).chain(arguments.iter().copied()).collect();
    vm.heap.fields(Kind::Partial, &fields)
}

fn add_middleware(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let [router, middleware] = *arguments else { unreachable!("two by their arity") };
    if !is_router(vm, router) {
        return fail(vm, "router/use: first argument must be a router");
    }
    if !Vm::is_function(middleware) {
        return wrong_type(vm, middleware, "Function");
    }
    change(vm, router, |table| table.middleware.push(middleware));
    router.into()
}

fn handle(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    step(vm, "router/handler", arguments[0], 0, arguments[1])
}

fn next(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let Some(number) = arguments[1].as_integer().and_then(|n| usize::try_from(n).ok()) else {
        return wrong_type(vm, arguments[1], "Number");
    };
    step(vm, "router/next", arguments[0], number, arguments[2])
}

/// Calls the middleware of a number, or what is behind all of it.
fn step(vm: &mut Vm, name: &str, router: Value, number: usize, request: Value) -> Outcome {
    let Some(object) = router.host::<RouterObject>(&vm.heap) else {
        return fail(vm, &format!("{name}: first argument must be a router"));
    };
    let middleware = object.table().middleware.get(number).copied();
    if request.host::<RequestObject>(&vm.heap).is_none() {
        return fail(vm, &format!("{name}: argument must be http request"));
    }
    match middleware {
        Some(middleware) => {
            let number = Value::fixnum(number as i64 + 1);
            let next = partial(vm, "router/next", &[router, number]);
            Outcome::Call(middleware, vec![request, next])
        }
        None => dispatch(vm, router, request),
    }
}

/// Calls the handler of the route that a request leads to.
fn dispatch(vm: &mut Vm, router: Value, request: Value) -> Outcome {
    let object = router.host::<RouterObject>(&vm.heap).expect("checked by step");
    let asked = request.host::<RequestObject>(&vm.heap).expect("checked by step");
    let table = object.table();
    match table.routes.find(asked.request.method(), asked.path_left()) {
        Found::Handler(number, mut parameters) => {
            let (handler, is_below) = table.handlers[number];
            let rest = parameters.pop_if(|(name, _)| name == REST).map(|(_, value)| value);
            let path = is_below.then(|| format!("/{}", rest.unwrap_or_default()));
            drop(table);
            let routed = asked.routed(parameters, path);
            let request = routed.map_or(request, |routed| vm.heap.host(Box::new(routed)));
            Outcome::Call(handler, vec![request])
        }
        found => {
            drop(table);
            match found {
                Found::Options(allowed) => told(vm, 204, "", Some(&allowed)),
                Found::NoMethod(allowed) => told(vm, 405, "method not allowed\n", Some(&allowed)),
                Found::Malformed => told(vm, 400, "the path has a broken escape\n", None),
                Found::Nothing | Found::Handler(..) => told(vm, 404, "not found\n", None),
            }
        }
    }
}

/// A response that the router gives itself.
fn told(vm: &mut Vm, status: i64, body: &str, allowed: Option<&str>) -> Outcome {
    let body = if body.is_empty() { Value::NIL } else { vm.heap.string(body.as_bytes()) };
    let mut pairs = vec![(":status", Value::fixnum(status)), (":body", body)];
    if let Some(allowed) = allowed {
        let allowed = vm.heap.string(allowed.as_bytes());
        let allowed = vm.heap.cons(allowed, Value::NIL, true);
        let name = vm.heap.string(b"allow");
        let field = vm.heap.cons(name, allowed, true);
        pairs.push((":headers", vm.heap.cons(field, Value::NIL, true)));
    }
    build(vm, &pairs).into()
}
