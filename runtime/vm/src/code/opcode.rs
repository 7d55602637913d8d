//! The instruction table: one row per opcode with its operands, in one place.
//!
//! Encoder, verifier, listing and interpreter read this table; no other code knows an operand's
//! place. An instruction is one 32-bit word `op | a<<8 | b<<16 | c<<24`, followed by the extra
//! words its row names. Registers are relative to the frame base; jumps are relative to the
//! instruction after the extra words. After `=`, a row names the builtin whose work the instruction
//! does ([`crate::code::primitives`]).

/// What an 8-bit operand of an instruction means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operand {
    /// Not used, must be 0.
    None,
    /// A register that is read.
    Use,
    /// A register that is written.
    Def,
    /// A register that starts a call window (callee, two link slots, arguments).
    Window,
    /// A small unsigned number: argument count, element count, capture index.
    Count,
    /// A signed 8-bit number.
    Immediate,
}

/// What an extra 32-bit word means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// A symbol id.
    Symbol,
    /// A jump distance in words, signed.
    Jump,
    /// An index into the constants.
    Constant,
    /// A signed 32-bit number.
    Number,
    /// The number of capture words that follow: `register` or `index | FROM_CAPTURE`.
    Captures,
}

/// Flag of a capture word: the value is a capture of the enclosing closure, not a register.
pub const FROM_CAPTURE: u32 = 1 << 16;

macro_rules! opcodes {
    ($($(#[doc = $doc:literal])* $name:ident $text:literal [$a:ident $b:ident $c:ident] [$($word:ident)*] $(= $builtin:literal)?;)*) => {
        /// An operation of the register machine.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Opcode { $($(#[doc = $doc])* $name,)* }

        impl Opcode {
            /// All opcodes, in encoding order.
            pub const ALL: &'static [Opcode] = &[$(Opcode::$name,)*];

            /// The name used by listings.
            pub fn text(self) -> &'static str {
                match self { $(Opcode::$name => $text,)* }
            }

            /// The builtin whose work it does, for the instructions of primitives.
            pub fn builtin(self) -> Option<&'static str> {
                match self {
                    $(Opcode::$name => {
                        let builtin: &[&'static str] = &[$($builtin)?];
                        builtin.first().copied()
                    })*
                }
            }

            /// The meaning of operands a, b and c.
            pub fn operands(self) -> [Operand; 3] {
                match self { $(Opcode::$name => [Operand::$a, Operand::$b, Operand::$c],)* }
            }

            /// The meaning of the extra words.
            pub fn words(self) -> &'static [Word] {
                match self { $(Opcode::$name => &[$(Word::$word,)*],)* }
            }
        }
    };
}

opcodes! {
    /// a = b
    Move "move" [Def Use None] [];
    /// a = constant
    Constant "constant" [Def None None] [Constant];
    /// a = number
    Number "number" [Def None None] [Number];
    /// a = ()
    Nil "nil" [Def None None] [];
    /// a = undefined (a local before its first assignment)
    Undefined "undefined" [Def None None] [];
    /// a = value of the global; an unbound one gives an error value
    Global "global" [Def None None] [Symbol];
    /// a = value of the global, jump when that is an error: the head of a call
    GlobalHead "global-head" [Def None None] [Symbol Jump];
    /// global = a
    SetGlobal "set-global" [Use None None] [Symbol];
    /// define the global as a for the whole program; a = () or an error
    Define "define" [Def None None] [Symbol];
    /// a = value of the symbol in a, when a holds a bound non-keyword symbol
    Resolve "resolve" [Def None None] [];
    /// a = b-th capture
    Capture "capture" [Def Count None] [];
    /// a = new cell holding the old a
    Cell "cell" [Def None None] [];
    /// a = contents of the cell in b
    GetCell "get-cell" [Def Use None] [];
    /// contents of the cell in a = b
    SetCell "set-cell" [Use Use None] [];
    /// a = contents of the cell that is the b-th capture
    GetCaptured "get-captured" [Def Count None] [];
    /// jump when a is defined
    JumpDefined "jump-defined" [Use None None] [Jump];
    /// jump
    Jump "jump" [None None None] [Jump];
    /// jump when a is an error
    JumpError "jump-error" [Use None None] [Jump];
    /// return a when it is an error
    ReturnError "return-error" [Use None None] [];
    /// return a
    Return "return" [Use None None] [];
    /// go on when a is true; first jump when it is false, second when it is an error
    Branch "branch" [Use None None] [Jump Jump];
    /// like branch, but a must be a number (`select`); c receives the error
    BranchNumber "branch-number" [Use None Def] [Jump Jump];
    /// go on when a < b; first jump when not, second when c received an error
    BranchLess "branch-less" [Use Use Def] [Jump Jump] = "<";
    /// go on when a <= b
    BranchLessEqual "branch-less-equal" [Use Use Def] [Jump Jump] = "<=";
    /// go on when a > b
    BranchGreater "branch-greater" [Use Use Def] [Jump Jump] = ">";
    /// go on when a >= b
    BranchGreaterEqual "branch-greater-equal" [Use Use Def] [Jump Jump] = ">=";
    /// go on when a == b
    BranchEqual "branch-equal" [Use Use Def] [Jump Jump] = "==";
    /// the same for `case`, which compares so whatever `==` is bound to
    BranchCase "branch-case" [Use Use Def] [Jump Jump];
    /// go on when a != b
    BranchNotEqual "branch-not-equal" [Use Use Def] [Jump Jump] = "!=";
    /// go on when a < the number b
    BranchLessNumber "branch-less-number" [Use Immediate Def] [Jump Jump] = "<";
    /// go on when a <= the number b
    BranchLessEqualNumber "branch-less-equal-number" [Use Immediate Def] [Jump Jump] = "<=";
    /// go on when a > the number b
    BranchGreaterNumber "branch-greater-number" [Use Immediate Def] [Jump Jump] = ">";
    /// go on when a >= the number b
    BranchGreaterEqualNumber "branch-greater-equal-number" [Use Immediate Def] [Jump Jump] = ">=";
    /// go on when a == the number b
    BranchEqualNumber "branch-equal-number" [Use Immediate Def] [Jump Jump] = "==";
    /// go on when a != the number b
    BranchNotEqualNumber "branch-not-equal-number" [Use Immediate Def] [Jump Jump] = "!=";
    /// go on when a is the empty list; first jump when not, second when c received an error
    BranchNil "branch-nil" [Use None Def] [Jump Jump] = "nil?";
    /// a = b + c
    Add "add" [Def Use Use] [] = "+";
    /// a = b - c
    Subtract "subtract" [Def Use Use] [] = "-";
    /// a = b * c
    Multiply "multiply" [Def Use Use] [] = "*";
    /// a = b / c, rounded toward zero
    Divide "divide" [Def Use Use] [] = "/";
    /// a = remainder of b / c, with the sign of b
    Remainder "remainder" [Def Use Use] [] = "rem";
    /// a = b modulo c, with the sign of c
    Modulo "modulo" [Def Use Use] [] = "mod";
    /// a = b + the number c
    AddNumber "add-number" [Def Use Immediate] [] = "+";
    /// a = b - the number c
    SubtractNumber "subtract-number" [Def Use Immediate] [] = "-";
    /// a = b * the number
    MultiplyNumber "multiply-number" [Def Use None] [Number] = "*";
    /// a = b / the number, which is not 0
    DivideNumber "divide-number" [Def Use None] [Number] = "/";
    /// a = remainder of b / the number, which is not 0
    RemainderNumber "remainder-number" [Def Use None] [Number] = "rem";
    /// a = b modulo the number, which is not 0
    ModuloNumber "modulo-number" [Def Use None] [Number] = "mod";
    /// a = b < c
    Less "less" [Def Use Use] [] = "<";
    /// a = b <= c
    LessEqual "less-equal" [Def Use Use] [] = "<=";
    /// a = b > c
    Greater "greater" [Def Use Use] [] = ">";
    /// a = b >= c
    GreaterEqual "greater-equal" [Def Use Use] [] = ">=";
    /// a = b == c
    Equal "equal" [Def Use Use] [] = "==";
    /// a = b != c
    NotEqual "not-equal" [Def Use Use] [] = "!=";
    /// a = first element of b
    Head "head" [Def Use None] [] = "head";
    /// a = rest of b
    Tail "tail" [Def Use None] [] = "tail";
    /// a = unquoted cell of b and c
    Cons "cons" [Def Use Use] [] = "cons";
    /// a = quoted cell of b and c
    Prepend "prepend" [Def Use Use] [] = "list/prepend";
    /// a = quoted list of the c registers from b
    List "list" [Def Use Count] [] = "list";
    /// a = cell of b and c, quoted when the word is 1
    Pair "pair" [Def Use Use] [Number];
    /// a = elements of the list b before c; an error when b is no list; the word is 1 for quoted
    Splice "splice" [Def Use Use] [Number];
    /// a = 1 when b is an error
    IsError "is-error" [Def Use None] [] = "error?";
    /// a = 1 when b is the empty list
    IsNil "is-nil" [Def Use None] [] = "nil?";
    /// a = closure over the constant's code and the captures
    Closure "closure" [Def None None] [Constant Captures];
    /// call the function in window a with b arguments; the result replaces it
    Call "call" [Window Count None] [];
    /// the same, as the last act of this frame
    TailCall "tail-call" [Window Count None] [];
    /// call the global with b arguments in window a
    CallGlobal "call-global" [Window Count None] [Symbol];
    /// the same, as the last act of this frame
    TailCallGlobal "tail-call-global" [Window Count None] [Symbol];
    /// call the global with the values of the b first registers as the last act of this frame; if it
    /// is the running function they are its arguments already, else a is the window
    TailSelf "tail-self" [Window Count None] [Symbol];
    /// the rule of `(e)`: call a with no arguments when it is a function, else keep it
    CallValue "call-value" [Window None None] [];
    /// the same, as the last act of this frame
    TailCallValue "tail-call-value" [Window None None] [];
    /// call the function in window a with the elements of the list in b, which is in reverse order
    Apply "apply" [Window Use None] [];
    /// run the constant's code in the environment of register b, result in window a
    Run "run" [Window Use None] [Constant];
    /// a = new environment inside the first capture, holding this call's arguments
    EnterFunction "enter-function" [Def None None] [];
    /// a = the environment in the first capture
    EnterCode "enter-code" [Def None None] [];
    /// a = new environment inside the environment b
    EnterScope "enter-scope" [Def Use None] [];
    /// a = value of the symbol in environment b or, failing that, the global
    Lookup "lookup" [Def Use None] [Symbol];
    /// symbol in environment a = b
    Bind "bind" [Use Use None] [Symbol];
    /// a = symbol in a resolved in environment b
    ResolveIn "resolve-in" [Def Use None] [];
    /// call the reflective builtin in window a with b arguments, in environment c
    CallIn "call-in" [Window Count Use] [];
    /// the same, as the last act of this frame
    TailCallIn "tail-call-in" [Window Count Use] [];
    /// call the thunk in window a below a prompt
    Reset "reset" [Window None None] [];
    /// the same, as the last act of this frame
    TailReset "tail-reset" [Window None None] [];
    /// capture up to the prompt and call the function in window a with the continuation there
    Shift "shift" [Window None None] [];
    /// call the thunk in window a with b as the fiber's context
    WithContext "with-context" [Window Use None] [];
    /// the fiber's context = a
    SetContext "set-context" [Use None None] [];
    /// leave the interpreter with the value below the frame
    Halt "halt" [None None None] [];
    /// `move`, and at once the next instruction: `move`
    MoveOn "move-on" [Def Use None] [];
    /// `multiply-number`, and at once the next instruction: `add` or `remainder-number` of a
    MultiplyNumberOn "multiply-number-on" [Def Use None] [Number];
    /// `add`, and at once the next instruction: `remainder-number` of a
    AddOn "add-on" [Def Use Use] [];
    /// `add`, and at once the next instruction: `return` of a
    AddReturn "add-return" [Def Use Use] [];
    /// `subtract-number`, and at once the next instruction: `call-global`
    SubtractNumberCall "subtract-number-call" [Def Use Immediate] [];
    /// `subtract-number`, and at once the next instruction: `tail-self`
    SubtractNumberLoop "subtract-number-loop" [Def Use Immediate] [];
    /// `add-number`, and at once the next instruction: `tail-self`
    AddNumberLoop "add-number-loop" [Def Use Immediate] [];
    /// `tail`, and at once the next instruction: `tail-self`
    TailLoop "tail-loop" [Def Use None] [];
}

impl Opcode {
    /// The opcode of an instruction word.
    ///
    /// # Panics
    /// When the low byte names no opcode.
    pub fn of(word: u32) -> Opcode {
        Opcode::ALL[(word & 0xff) as usize]
    }
}
