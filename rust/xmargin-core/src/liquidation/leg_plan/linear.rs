//! The linear algebra of a step: a dense symmetric positive definite system.

use super::program::dot;

/// Factors a symmetric matrix in place (lower triangle, row by row) as L Lᵀ; false when it is not
/// positive definite to working precision.
pub fn factor(matrix: &mut [f64], size: usize) -> bool {
    for row in 0..size {
        let (above, this) = matrix.split_at_mut(row * size);
        for column in 0..row {
            let upper = &above[column * size..];
            let sum = this[column] - dot(&this[..column], &upper[..column]);
            this[column] = sum / upper[column];
        }
        let pivot = this[row] - dot(&this[..row], &this[..row]);
        if pivot.is_nan() || pivot <= 0.0 {
            return false;
        }
        this[row] = pivot.sqrt();
    }
    true
}

/// Solves L Lᵀ x = right side, in place.
pub fn solve(factor: &[f64], size: usize, right: &mut [f64]) {
    for row in 0..size {
        let known = dot(&factor[row * size..][..row], &right[..row]);
        right[row] = (right[row] - known) / factor[row * size + row];
    }
    for row in (0..size).rev() {
        let value = right[row] / factor[row * size + row];
        right[row] = value;
        let column = &factor[row * size..][..row];
        for (right, l) in right[..row].iter_mut().zip(column) {
            *right -= value * l;
        }
    }
}
