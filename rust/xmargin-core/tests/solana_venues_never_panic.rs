//! Whatever the numbers: a margin or an error, and never a panic.

use proptest::prelude::*;
use xmargin_core::num::U256;
use xmargin_core::venue::{drift_v2, kamino, marginfi_v2, venue_margin};

/// Every magnitude as likely as the next.
fn signed() -> impl Strategy<Value = i128> {
    (any::<i128>(), 0_u32..=127).prop_map(|(value, shift)| value >> shift)
}

fn integers<const N: usize>() -> impl Strategy<Value = [i128; N]> {
    proptest::collection::vec(signed(), N).prop_map(|list| std::array::from_fn(|at| list[at]))
}

/// A user with one deposit or borrow and one perp, in two markets.
fn drift_user(n: &[i128], small: [u8; 4], flags: [bool; 4]) -> drift_v2::User {
    let oracle = |at: usize| drift_v2::Oracle {
        price: n[at],
        twap_5min: n[at + 1],
    };
    let spot_market = |number: u16| drift_v2::SpotMarket {
        number,
        pool: 0,
        decimals: u32::from(small[0]) % 24,
        deposit_balance: n[0],
        deposit_interest: n[1],
        borrow_interest: n[2],
        asset_weights: [n[3], n[4]],
        liability_weights: [n[5], n[6]],
        size_factor: n[7],
        scale_start: n[8],
        oracle: oracle(9),
    };
    let spot_position = |market: u16| drift_v2::SpotPosition {
        market,
        is_borrow: flags[0],
        scaled_balance: n[11],
        open_bids: n[12],
        open_asks: n[13],
        open_orders: n[14],
    };
    drift_v2::User {
        pool: 0,
        mode: if flags[1] {
            drift_v2::Mode::HighLeverage
        } else {
            drift_v2::Mode::Default
        },
        ratio_min: n[15],
        spot_positions: vec![spot_position(u16::from(small[1] % 2))],
        perp_positions: vec![drift_v2::PerpPosition {
            market: 0,
            base: n[16],
            quote: n[17],
            funding: n[18],
            open_bids: n[19],
            open_asks: n[20],
            open_orders: n[21],
            ratio_min: n[22],
            isolated: flags[2].then_some(n[23]),
        }],
        spot_markets: vec![spot_market(0), spot_market(1)],
        perp_markets: vec![drift_v2::PerpMarket {
            number: 0,
            pool: 0,
            quote_market: 0,
            expiry_price: small[2].is_multiple_of(2).then_some(n[24]),
            is_prediction: flags[3],
            ratios: [n[25], n[26]],
            high_leverage_ratios: [n[27], n[28]],
            size_factor: n[29],
            profit_weights: [n[30], n[31]],
            profit_size_factor: n[32],
            imbalance_max: n[33],
            funding: [n[34], n[35]],
            net_base: n[36],
            net_quote: n[37],
            stored_price: n[38],
            price: n[39],
        }],
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn drift(
        numbers in integers::<40>(), small: [u8; 4], flags: [bool; 4], initial: bool, strict: bool
    ) {
        let kind = if initial { drift_v2::Kind::Initial } else { drift_v2::Kind::Maintenance };
        let mut user = drift_user(&numbers, small, flags);
        let _ = drift_v2::margin(&user, kind, strict);
        user.perp_positions.clear();
        let _ = drift_v2::margin(&user, kind, strict);
        user = drift_user(&numbers, small, flags);
        user.spot_positions.clear();
        let _ = drift_v2::margin(&user, kind, strict).and_then(|sum| sum.cross.health_wad());
    }

    #[test]
    fn marginfi(
        n in integers::<18>(), decimals: u8, tags in (0_u16..3, 0_u16..3), flags: [bool; 5]
    ) {
        let weights = |at: usize| marginfi_v2::Weights { initial: n[at], maintenance: n[at + 1] };
        let price = |at: usize| marginfi_v2::Price { price: n[at], confidence: n[at + 1] };
        let bank = marginfi_v2::Bank {
            asset_share_value: n[0],
            liability_share_value: n[1],
            decimals: decimals.into(),
            asset_weights: weights(2),
            liability_weights: weights(4),
            is_isolated: flags[0],
            is_reduce_only: flags[1],
            emode_tag: tags.0,
            emode: vec![(tags.1, weights(6))],
            total_asset_shares: n[8],
            initial_limit: n[9],
            weighted_price: flags[2].then_some(price(10)),
            price: flags[3].then_some(price(12)),
        };
        let balance = |bank: usize, at: usize| marginfi_v2::Balance {
            bank, asset_shares: n[at], liability_shares: n[at + 1],
        };
        let balances = [balance(0, 14), balance(usize::from(flags[4]), 16)];
        for kind in [marginfi_v2::Kind::Initial, marginfi_v2::Kind::Maintenance] {
            let sum = marginfi_v2::margin(&balances, std::slice::from_ref(&bank), kind);
            let _ = sum.and_then(|sum| sum.health_wad());
        }
    }

    #[test]
    fn kamino_obligations(
        n in integers::<10>(), sizes: [u64; 5], bytes: [u8; 6], flags: [bool; 3]
    ) {
        let n = n.map(i128::unsigned_abs);
        let reserve = kamino::Reserve {
            available: sizes[0],
            borrowed_sf: n[0],
            fees_sf: [n[1], n[2], n[3]],
            collateral_supply: sizes[1],
            borrow_rate_bsf: U256::from(n[4]) << usize::from(bytes[0] / 2),
            decimals: u32::from(bytes[1]) % 24,
            price_sf: n[5],
            loan_to_value_pct: bytes[2],
            liquidation_threshold_pct: bytes[3],
            borrow_factor_pct: sizes[2],
            elevation_groups: vec![1],
        };
        let group = kamino::ElevationGroup {
            number: 1,
            loan_to_value_pct: bytes[4],
            liquidation_threshold_pct: bytes[5],
            debt_reserve: flags[0].then_some(1),
        };
        let obligation = kamino::Obligation {
            deposits: vec![kamino::Deposit { reserve: 0, amount: sizes[3] }],
            borrows: vec![kamino::Borrow {
                reserve: 1, borrowed_sf: n[6], borrow_rate_bsf: U256::from(n[7]),
            }],
            elevation_group: flags[1].then_some(group),
            allowed_max: sizes[4],
            reserves: vec![reserve.clone(), reserve],
        };
        if let Ok(found) = kamino::refreshed(&obligation) {
            let _ = (found.is_liquidatable(), found.initial(), found.maintenance());
        }
    }

    #[test]
    fn documents(
        text in r#"(\{"rule": ?"(drift_v2|marginfi_v2|kamino)"(, ?"[a-z_]{1,9}": ?("-?[0-9]{0,90}"|true|\[\]|\{\}))*\})|.{0,40}"#
    ) {
        prop_assert!(venue_margin(&text).is_err());
    }
}
