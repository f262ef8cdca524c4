//! Points of secp256k1, y² = x³ + 7. Their order is a prime: none has y = 0, none doubled is infinity.

use super::{
    field::{Field, P_WORDS},
    inverse::Modulus,
};

/// A point other than infinity.
#[derive(Clone, Copy, Debug)]
pub(super) struct Affine {
    pub(super) x: Field,
    /// Twice y: so the rules below have fewer factors.
    pub(super) y2: Field,
}

/// The point (x/z², y/z³); z is not zero. All three of magnitude 1.
#[derive(Clone, Copy, Debug)]
struct Jacobian {
    x: Field,
    /// Twice y.
    y2: Field,
    z: Field,
}

const MODULUS: Modulus = Modulus::new(P_WORDS);

/// (p + 1) / 2.
const HALF: Field = Field::constant("7FFFFFFF FFFFFFFF FFFFFFFF FFFFFFFF FFFFFFFF FFFFFFFF FFFFFFFF 7FFFFE18");

impl Affine {
    /// The point with this x, a number below p, whose y is odd or even.
    pub(super) fn with_x(x: [u32; 8], odd: bool) -> Option<Self> {
        let x = Field::from_words(x);
        let square = x.squared().times(&x) + Field::small(7);
        let root = square.root();
        if !(root.squared() - square).is_zero() {
            return None;
        }
        let is_odd = root.to_words()[0] & 1 == 1;
        Some(Self { x, y2: Field::sum([if is_odd == odd { 2 } else { -2 }, 0, 0], &root, &root, &root) })
    }

    pub(super) fn y(&self) -> Field {
        self.y2.times(&HALF)
    }
}

impl Jacobian {
    /// Twice the point: with m = 3 x², s = 4 x y²: x' = m² - 2 s, y' = m (s - x') - 8 y⁴, z' = 2 y z.
    fn double(&mut self) {
        let (xx, yy) = (self.x.squared(), self.y2.squared());
        let slope = Field::sum([3, 0, 0], &xx, &xx, &xx);
        let s = self.x.times(&yy);
        self.z = self.y2.times(&self.z);
        self.x = Field::sum([1, -2, 0], &slope.squared(), &s, &s);
        self.y2 = (slope + slope).times_minus_square(&(s - self.x), &yy);
    }

    /// The sum with another point or its negative; false where that is infinity. With h and r, what x and y of the
    /// other are more at the same z: x' = 4 (r² - h³ - 2 x h²), y' = 2 r (4 x h² - x') - 8 y h³, z' = 2 h z.
    fn add(&mut self, other: &Affine, negative: bool) -> bool {
        let zz = self.z.squared();
        let x = other.x.times(&zz);
        let y2 = other.y2.times(&self.z.times(&zz));
        let r2 = Field::sum([if negative { -1 } else { 1 }, -1, 0], &y2, &self.y2, &y2);
        let h = x - self.x;
        if h.is_zero() {
            // The same point, or its negative.
            self.double();
            return r2.is_zero();
        }
        let h2 = Field::sum([2, -2, 0], &x, &self.x, &x);
        let hh4 = h2.squared();
        let hhh4 = h.times(&hh4);
        let s = self.x.times(&hh4);
        self.z = self.z.times(&h2);
        self.x = Field::sum([1, -1, -2], &r2.squared(), &hhh4, &s);
        let y = r2.times_minus_product(&(s - self.x), &self.y2, &hhh4);
        self.y2 = Field::sum([2, 0, 0], &y, &y, &y);
        true
    }
}

/// Any point.
pub(super) struct Sum {
    /// Means nothing while infinite.
    point: Jacobian,
    infinite: bool,
}

impl Sum {
    pub(super) const INFINITY: Self =
        Self { point: Jacobian { x: Field::ONE, y2: Field::ONE, z: Field::ONE }, infinite: true };

    pub(super) fn double(&mut self) {
        if !self.infinite {
            self.point.double();
        }
    }

    /// Adds a point or its negative.
    pub(super) fn add(&mut self, other: &Affine, negative: bool) {
        if self.infinite {
            let y = &other.y2;
            let y2 = Field::sum([if negative { -1 } else { 1 }, 0, 0], y, y, y);
            self.point = Jacobian { x: other.x, y2, z: Field::ONE };
            self.infinite = false;
        } else {
            self.infinite = !self.point.add(other, negative);
        }
    }

    /// The point, where it is not infinity.
    pub(super) fn affine(self) -> Option<Affine> {
        affine(&[self.point]).pop().filter(|_| !self.infinite)
    }
}

/// A point's odd multiples, from 1 to `2 count - 1`; each is another point and none is infinity while `count` is small.
pub(super) fn odd_multiples(point: &Affine, count: usize) -> Vec<Affine> {
    // On the curve with coordinates stretched by z² and z³ of the double, the double is affine. The rules of addition
    // are the same there.
    let mut double = Jacobian { x: point.x, y2: point.y2, z: Field::ONE };
    double.double();
    let zz = double.z.squared();
    let step = Affine { x: double.x, y2: double.y2 };
    let mut next = Jacobian { x: point.x.times(&zz), y2: point.y2.times(&zz.times(&double.z)), z: Field::ONE };
    let mut multiples = Vec::with_capacity(count);
    for index in 0..count {
        if index > 0 {
            next.add(&step, false);
        }
        multiples.push(Jacobian { z: next.z.times(&double.z), ..next });
    }
    affine(&multiples)
}

/// The same points with coordinates as they are, by one inversion for all.
fn affine(points: &[Jacobian]) -> Vec<Affine> {
    let mut product = Field::ONE;
    // Of each point the product of those before it.
    let mut before = Vec::with_capacity(points.len());
    for point in points {
        before.push(product);
        product = product.times(&point.z);
    }
    let mut inverse = Field::from_words(MODULUS.inverse(product.to_words()));
    let mut affine: Vec<Affine> = points
        .iter()
        .zip(before)
        .rev()
        .map(|(point, before)| {
            let z = inverse.times(&before);
            inverse = inverse.times(&point.z);
            let zz = z.squared();
            Affine { x: point.x.times(&zz), y2: point.y2.times(&zz.times(&z)) }
        })
        .collect();
    affine.reverse();
    affine
}
