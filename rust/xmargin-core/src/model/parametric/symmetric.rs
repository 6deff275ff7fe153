//! Eigenvalues and eigenvectors of small symmetric matrices, by Jacobi's rotations.
//!
//! Slower than reducing to tridiagonal form, but accurate to the last digits also for the eigenvalues
//! near zero, by which a correlation matrix is judged (Demmel & Veselić 1992).

const SWEEP_COUNT_MAX: usize = 60;

/// A square matrix as rows.
pub type Matrix = Vec<Vec<f64>>;

/// The eigenvalues of a symmetric matrix and, column by column, their orthonormal eigenvectors.
pub struct Eigen {
    /// In no particular order.
    pub values: Vec<f64>,
    /// `vectors[i][j]` is entry `i` of the eigenvector of value `j`.
    pub vectors: Matrix,
}

/// The zero matrix of `size` rows.
pub fn zeros(size: usize) -> Matrix {
    vec![vec![0.0; size]; size]
}

/// `leftᵀ · middle · left`.
pub fn congruent(left: &Matrix, middle: &Matrix) -> Matrix {
    let size = left.len();
    let mut half = zeros(size); // middle · left
    for i in 0..size {
        for k in 0..size {
            for j in 0..size {
                half[i][j] += middle[i][k] * left[k][j];
            }
        }
    }
    let mut whole = zeros(size);
    for k in 0..size {
        for i in 0..size {
            for j in 0..size {
                whole[i][j] += left[k][i] * half[k][j];
            }
        }
    }
    whole
}

/// Turns the matrix until nothing is left beside its diagonal.
pub fn eigen(mut matrix: Matrix) -> Eigen {
    let size = matrix.len();
    let mut vectors = zeros(size);
    for (i, row) in vectors.iter_mut().enumerate() {
        row[i] = 1.0;
    }
    for _ in 0..SWEEP_COUNT_MAX {
        let mut turned = false;
        for p in 0..size {
            for q in p + 1..size {
                turned |= rotate(&mut matrix, &mut vectors, p, q);
            }
        }
        if !turned {
            break;
        }
    }
    let values = (0..size).map(|i| matrix[i][i]).collect();
    Eigen { values, vectors }
}

/// One rotation that makes entry (p, q) zero; false where it is already nothing beside the diagonal.
fn rotate(matrix: &mut Matrix, vectors: &mut Matrix, p: usize, q: usize) -> bool {
    let (pp, qq, pq) = (matrix[p][p], matrix[q][q], matrix[p][q]);
    let beside = (pp.abs() + qq.abs()) * f64::EPSILON * 0.25;
    if pq == 0.0 || pq.abs() <= beside {
        return false;
    }
    // The smaller root of t² + 2θt − 1 = 0: the smaller angle, which keeps the diagonal's order.
    let theta = (qq - pp) / (2.0 * pq);
    let t = theta.signum() / (theta.abs() + theta.hypot(1.0));
    let cosine = 1.0 / t.hypot(1.0);
    let sine = t * cosine;
    for row in matrix.iter_mut().chain(vectors.iter_mut()) {
        let (at_p, at_q) = (row[p], row[q]);
        row[p] = cosine * at_p - sine * at_q;
        row[q] = sine * at_p + cosine * at_q;
    }
    let (above, below) = matrix.split_at_mut(q);
    for (at_p, at_q) in above[p].iter_mut().zip(&mut below[0]) {
        (*at_p, *at_q) = (cosine * *at_p - sine * *at_q, sine * *at_p + cosine * *at_q);
    }
    matrix[p][q] = 0.0;
    matrix[q][p] = 0.0;
    true
}

#[cfg(test)]
#[expect(clippy::needless_range_loop, reason = "indices as in the formula")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_parts_make_the_matrix_again(entries in prop::collection::vec(-1.0_f64..1.0, 36)) {
            let matrix: Matrix =
                (0..6).map(|i| (0..6).map(|j| entries[6 * i + j] + entries[6 * j + i]).collect()).collect();
            let parts = eigen(matrix.clone());
            for i in 0..6 {
                for j in 0..6 {
                    let again: f64 = (0..6)
                        .map(|k| parts.vectors[i][k] * parts.values[k] * parts.vectors[j][k])
                        .sum();
                    prop_assert!((again - matrix[i][j]).abs() < 1e-13, "{again} {}", matrix[i][j]);
                }
            }
        }
    }
}
