//! Operators that go element by element.

use std::sync::Arc;

use mlops_core::{Error, Result};

use super::broadcast::{Places, common, zip};
use super::{Call, Run, of_first, one};
use crate::foreign::onnx::tensor::{Data, Kind, Tensor};
use crate::trees::logistic;

pub(super) fn compile(op: &str, call: Call<'_>) -> Result<Option<Run>> {
    if let Some(binary) = Binary::of(op) {
        return one(move |inputs| binary.run(inputs.get(0)?, inputs.get(1)?)).map(Some);
    }
    if let Some(binary) = Binary::folding(op) {
        return one(move |inputs| {
            let mut all = inputs.all()?.into_iter();
            let first = all.next().ok_or_else(|| Error::corrupt("no inputs"))?.clone();
            all.try_fold(first, |sum, other| binary.run(&sum, other))
        })
        .map(Some);
    }
    if let Some(function) = float_function(op, call)? {
        return of_first(move |x| map_floats(x, &function)).map(Some);
    }
    Ok(Some(match op {
        "Abs" => of_first(|x| signed(x, f64::abs, i64::wrapping_abs))?,
        "Neg" => of_first(|x| signed(x, |x| -x, i64::wrapping_neg))?,
        "Sign" => of_first(|x| signed(x, |x| if x == 0.0 || x.is_nan() { x } else { x.signum() }, i64::signum))?,
        "And" => logical(|a, b| a && b)?,
        "Or" => logical(|a, b| a || b)?,
        "Xor" => logical(|a, b| a != b)?,
        "Not" => of_first(|x| Tensor::new(x.shape.clone(), Data::Bool(bools(x)?.iter().map(|x| !x).collect())))?,
        "IsNaN" => of_first(|x| {
            let nan = x.data.numbers()?.into_iter().map(f64::is_nan).collect();
            Tensor::new(x.shape.clone(), Data::Bool(nan))
        })?,
        "Where" => one(|inputs| choose(inputs.get(0)?, inputs.get(1)?, inputs.get(2)?))?,
        "Cast" => {
            let to = Kind::read(call.int("to", 0)?)?;
            of_first(move |x| x.cast(to))?
        }
        "Identity" | "Dropout" => of_first(|x| Ok(x.clone()))?,
        "Clip" => clip(call)?,
        _ => return Ok(None),
    }))
}

/// An operator of two tensors.
#[derive(Clone, Copy, Debug)]
enum Binary {
    Add,
    Div,
    Equal,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    Max,
    Min,
    Mul,
    Pow,
    Sub,
}

impl Binary {
    fn of(op: &str) -> Option<Self> {
        Some(match op {
            "Add" => Self::Add,
            "Div" => Self::Div,
            "Equal" => Self::Equal,
            "Greater" => Self::Greater,
            "GreaterOrEqual" => Self::GreaterOrEqual,
            "Less" => Self::Less,
            "LessOrEqual" => Self::LessOrEqual,
            "Mul" => Self::Mul,
            "Pow" => Self::Pow,
            "Sub" => Self::Sub,
            _ => return None,
        })
    }

    /// Of as many tensors as there are.
    fn folding(op: &str) -> Option<Self> {
        Some(match op {
            "Max" => Self::Max,
            "Min" => Self::Min,
            "Sum" => Self::Add,
            _ => return None,
        })
    }

    fn run(self, a: &Tensor, b: &Tensor) -> Result<Tensor> {
        let out = common(&a.shape, &b.shape)?;
        macro_rules! apply {
            ($a:expr, $b:expr, $f:expr) => {
                zip(($a, &a.shape), ($b, &b.shape), &out, $f)
            };
        }
        macro_rules! compare {
            ($a:expr, $b:expr) => {
                match self {
                    Self::Equal => apply!($a, $b, |a, b| a == b),
                    Self::Greater => apply!($a, $b, |a, b| a > b),
                    Self::GreaterOrEqual => apply!($a, $b, |a, b| a >= b),
                    Self::Less => apply!($a, $b, |a, b| a < b),
                    _ => apply!($a, $b, |a, b| a <= b),
                }
            };
        }
        macro_rules! float {
            ($a:expr, $b:expr) => {
                match self {
                    Self::Add => apply!($a, $b, |a, b| a + b),
                    Self::Div => apply!($a, $b, |a, b| a / b),
                    Self::Max => apply!($a, $b, |a, b| if a.is_nan() || a > b { a } else { b }),
                    Self::Min => apply!($a, $b, |a, b| if a.is_nan() || a < b { a } else { b }),
                    Self::Mul => apply!($a, $b, |a, b| a * b),
                    Self::Pow => apply!($a, $b, |a, b| a.powf(b)),
                    _ => apply!($a, $b, |a, b| a - b),
                }
            };
        }
        macro_rules! whole {
            ($a:expr, $b:expr, $t:ty) => {
                match self {
                    Self::Add => apply!($a, $b, <$t>::wrapping_add),
                    Self::Div if $b.contains(&0) => return Err(Error::data("a whole number was divided by 0")),
                    Self::Div => apply!($a, $b, <$t>::wrapping_div),
                    Self::Max => apply!($a, $b, <$t>::max),
                    Self::Min => apply!($a, $b, <$t>::min),
                    Self::Mul => apply!($a, $b, <$t>::wrapping_mul),
                    Self::Pow => apply!($a, $b, |a, b| (a as f64).powf(b as f64) as $t),
                    _ => apply!($a, $b, <$t>::wrapping_sub),
                }
            };
        }
        let compares =
            matches!(self, Self::Equal | Self::Greater | Self::GreaterOrEqual | Self::Less | Self::LessOrEqual);
        // The exponent alone may be of another type.
        let cast = if a.data.kind() == b.data.kind() || !matches!(self, Self::Pow) {
            None
        } else {
            Some(b.cast(a.data.kind())?)
        };
        let b = cast.as_ref().unwrap_or(b);
        let data = match (&a.data, &b.data) {
            (Data::F32(a), Data::F32(b)) if compares => Data::Bool(compare!(a, b)),
            (Data::F64(a), Data::F64(b)) if compares => Data::Bool(compare!(a, b)),
            (Data::I32(a), Data::I32(b)) if compares => Data::Bool(compare!(a, b)),
            (Data::I64(a), Data::I64(b)) if compares => Data::Bool(compare!(a, b)),
            (Data::Bool(a), Data::Bool(b)) if compares => Data::Bool(compare!(a, b)),
            (Data::Text(x), Data::Text(y)) if matches!(self, Self::Equal) => {
                let (x, y): (Vec<&str>, Vec<&str>) =
                    (x.iter().map(Arc::as_ref).collect(), y.iter().map(Arc::as_ref).collect());
                Data::Bool(apply!(&x, &y, |a, b| a == b))
            }
            (Data::F32(a), Data::F32(b)) => Data::F32(float!(a, b)),
            (Data::F64(a), Data::F64(b)) => Data::F64(float!(a, b)),
            (Data::I32(a), Data::I32(b)) => Data::I32(whole!(a, b, i32)),
            (Data::I64(a), Data::I64(b)) => Data::I64(whole!(a, b, i64)),
            (a, b) => {
                return Err(Error::corrupt(format!("elements of {:?} and {:?}", a.kind(), b.kind())));
            }
        };
        Tensor::new(out, data)
    }
}

type Function = Box<dyn Fn(f64) -> f64 + Send + Sync>;

/// Functions of floats alone.
fn float_function(op: &str, call: Call<'_>) -> Result<Option<Function>> {
    Ok(Some(match op {
        "Ceil" => Box::new(f64::ceil),
        "Elu" => {
            let alpha = f64::from(call.float("alpha", 1.0)?);
            Box::new(move |x| if x < 0.0 { alpha * x.exp_m1() } else { x })
        }
        "Exp" => Box::new(f64::exp),
        "Floor" => Box::new(f64::floor),
        "LeakyRelu" => {
            let alpha = f64::from(call.float("alpha", 0.01)?);
            Box::new(move |x| if x < 0.0 { alpha * x } else { x })
        }
        "Log" => Box::new(f64::ln),
        "Reciprocal" => Box::new(f64::recip),
        "Relu" => Box::new(|x| if x < 0.0 { 0.0 } else { x }),
        "Round" => Box::new(f64::round_ties_even),
        "Sigmoid" => Box::new(logistic),
        "Softplus" => Box::new(|x| x.max(0.0) + (-x.abs()).exp().ln_1p()),
        "Sqrt" => Box::new(f64::sqrt),
        "Tanh" => Box::new(f64::tanh),
        _ => return Ok(None),
    }))
}

fn map_floats(x: &Tensor, f: &Function) -> Result<Tensor> {
    let data = match &x.data {
        Data::F32(values) => Data::F32(values.iter().map(|x| f(f64::from(*x)) as f32).collect()),
        Data::F64(values) => Data::F64(values.iter().map(|x| f(*x)).collect()),
        other => return Err(Error::corrupt(format!("{:?} elements where floats are needed", other.kind()))),
    };
    Tensor::new(x.shape.clone(), data)
}

fn signed(x: &Tensor, float: fn(f64) -> f64, whole: fn(i64) -> i64) -> Result<Tensor> {
    let data = match &x.data {
        Data::F32(values) => Data::F32(values.iter().map(|x| float(f64::from(*x)) as f32).collect()),
        Data::F64(values) => Data::F64(values.iter().map(|x| float(*x)).collect()),
        Data::I32(values) => Data::I32(values.iter().map(|x| whole(i64::from(*x)) as i32).collect()),
        Data::I64(values) => Data::I64(values.iter().map(|x| whole(*x)).collect()),
        other => return Err(Error::corrupt(format!("{:?} elements where numbers are needed", other.kind()))),
    };
    Tensor::new(x.shape.clone(), data)
}

fn bools(x: &Tensor) -> Result<&[bool]> {
    match &x.data {
        Data::Bool(values) => Ok(values),
        other => Err(Error::corrupt(format!("{:?} elements where bools are needed", other.kind()))),
    }
}

fn logical(f: fn(bool, bool) -> bool) -> Result<Run> {
    one(move |inputs| {
        let (a, b) = (inputs.get(0)?, inputs.get(1)?);
        let out = common(&a.shape, &b.shape)?;
        let values = zip((bools(a)?, &a.shape), (bools(b)?, &b.shape), &out, f);
        Tensor::new(out, Data::Bool(values))
    })
}

/// Elements of the second tensor where the first is true, else of the third.
fn choose(condition: &Tensor, then: &Tensor, otherwise: &Tensor) -> Result<Tensor> {
    let out = common(&common(&condition.shape, &then.shape)?, &otherwise.shape)?;
    let conditions = bools(condition)?;
    let [c, t, o] = [condition, then, otherwise].map(|tensor| Places::new(&tensor.shape, &out));
    fn pick<T: Clone>(total: usize, chosen: impl Fn(usize) -> (bool, usize, usize), t: &[T], o: &[T]) -> Vec<T> {
        (0..total)
            .map(|i| match chosen(i) {
                (true, place, _) => t[place].clone(),
                (false, _, place) => o[place].clone(),
            })
            .collect()
    }
    let total = out.iter().product();
    let chosen = |i: usize| (conditions[c.at(i)], t.at(i), o.at(i));
    let data = match (&then.data, &otherwise.data) {
        (Data::Bool(t), Data::Bool(o)) => Data::Bool(pick(total, chosen, t, o)),
        (Data::F32(t), Data::F32(o)) => Data::F32(pick(total, chosen, t, o)),
        (Data::F64(t), Data::F64(o)) => Data::F64(pick(total, chosen, t, o)),
        (Data::I32(t), Data::I32(o)) => Data::I32(pick(total, chosen, t, o)),
        (Data::I64(t), Data::I64(o)) => Data::I64(pick(total, chosen, t, o)),
        (Data::Text(t), Data::Text(o)) => Data::Text(pick(total, chosen, t, o)),
        (t, o) => return Err(Error::corrupt(format!("elements of {:?} and {:?}", t.kind(), o.kind()))),
    };
    Tensor::new(out, data)
}

fn clip(call: Call<'_>) -> Result<Run> {
    let (min, max) = (call.float("min", f32::NEG_INFINITY)?, call.float("max", f32::INFINITY)?);
    one(move |inputs| {
        let bound = |i: usize, otherwise: f32| match inputs.find(i) {
            Some(bound) => bound.data.numbers()?.first().copied().ok_or_else(|| Error::corrupt("an empty bound")),
            None => Ok(f64::from(otherwise)),
        };
        let (min, max) = (bound(1, min)?, bound(2, max)?);
        let clipped = |x: f64| {
            if x < min {
                min
            } else if x > max {
                max
            } else {
                x
            }
        };
        let x = inputs.get(0)?;
        let clipped: Vec<f64> = x.data.numbers()?.into_iter().map(clipped).collect();
        Tensor::new(x.shape.clone(), Data::F64(clipped))?.cast(x.data.kind())
    })
}
