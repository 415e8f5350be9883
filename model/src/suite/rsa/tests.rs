use ::rsa::{BoxedUint, Pkcs1v15Sign, PrivateKey};

use super::*;
use crate::suite::tests::{hex, issued, proof};
use crate::suite::{Operation, SuiteId};

/// The signature of the `rsa` crate under the same primes.
fn crate_signature(suite: SuiteId, pair: &[u8], message: &[u8]) -> Vec<u8> {
    let private = suite.private_half(pair);
    let half = private.len() / 5;
    let prime =
        |index: usize| BoxedUint::from_be_slice(&private[index * half..][..half], 8 * half as u32).unwrap();
    let key = PrivateKey::from_p_q(prime(0), prime(1), 65_537u32.into()).unwrap();
    assert_eq!(key.n_bytes()[..], *suite.public_half(pair), "the modulus is the product of the primes");
    key.sign(Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(message)).unwrap()
}

/// By the default, which is another library from 2048 bits on.
#[test]
fn proofs_are_the_signatures_of_the_crate() {
    let suite = SuiteId::Rsa2048;
    assert_ne!(suite.backends(Operation::Prove)[0], RustCrypto);
    for random in 0..3 {
        let pair = issued(suite, random);
        let message = [!random; RANDOM];
        assert_eq!(proof(suite, &pair, &message), crate_signature(suite, &pair, &message));
    }
}

/// e·dP = 1 modulo p - 1, e·dQ = 1 modulo q - 1 and q·qInv = 1 modulo p (RFC 8017, 3.2), and n = p·q.
#[test]
fn the_stored_parts_belong_to_the_primes() {
    let mut larger_first = [0, 0];
    for (suite, keys) in [(SuiteId::Rsa1024, 16), (SuiteId::Rsa2048, 3), (SuiteId::Rsa3072, 1)] {
        for random in 0..keys {
            let pair = issued(suite, random);
            let half = suite.sizes().private / 5;
            let mut parts = suite.private_half(&pair).chunks_exact(half).map(integer);
            let [p, q, d_p, d_q, q_inv] = std::array::from_fn(|_| parts.next().unwrap());
            larger_first[usize::from(p > q)] += 1;
            let n = p.concatenating_mul(&q);
            assert_eq!(n.to_be_bytes()[..], *suite.public_half(&pair), "{}", suite.name());
            let one = BoxedUint::one_with_precision(p.bits_precision());
            let e = BoxedUint::from(EXPONENT);
            let less_one = [&p, &q].map(|prime| prime.wrapping_sub(&one));
            for (product, modulus, part) in [
                (e.concatenating_mul(&d_p), &less_one[0], "dP"),
                (e.concatenating_mul(&d_q), &less_one[1], "dQ"),
                (q.concatenating_mul(&q_inv), &p, "qInv"),
            ] {
                let modulus = NonZero::new(modulus.clone()).unwrap();
                assert_eq!(product.rem(&modulus), one, "{part} of {}", suite.name());
            }
        }
    }
    assert!(larger_first.iter().all(|&keys| keys > 0), "primes come in both orders: {larger_first:?}");
}

/// RFC 8017, 5.2.2: the same residue has more than one representative of this length, and only the least is a signature.
#[test]
fn a_proof_not_below_the_modulus_does_not_check() {
    let suite = SuiteId::Rsa1024;
    let above = (0..32).any(|challenge| {
        let pair = issued(suite, 3);
        let good = proof(suite, &pair, &[challenge; RANDOM]);
        let number = |bytes: &[u8]| Uint::<{ U1024::LIMBS }>::from_be_slice(bytes);
        let (sum, carry) = number(&good).carrying_add(&number(suite.public_half(&pair)), Limb::ZERO);
        if carry != Limb::ZERO {
            return false;
        }
        for backend in suite.backends(Operation::Check) {
            let cipher = suite.with(Some(backend));
            let sum = sum.to_be_bytes();
            let public = suite.public_half(&pair);
            assert!(!cipher.check(public, &[challenge; RANDOM], sum.as_ref(), Comparison::Encryption));
        }
        true
    });
    assert!(above, "some signature and the modulus fit into the length together");
}

struct Vector {
    suite: SuiteId,
    public: &'static str,
    private: &'static str,
    proof: &'static str,
}

/// Computed once with OpenSSL 3.0.19:
///
/// ```console
/// $ openssl genrsa -traditional -out key.pem 1024
/// $ openssl rsa -in key.pem -noout -text
/// $ printf 'keystorm known-answer challenge.' | openssl dgst -sha256 -sign key.pem | xxd -p
/// ```
///
/// `private` is prime1, prime2, exponent1, exponent2 and coefficient of the second command.
#[test]
fn known_answers_of_openssl() {
    let challenge = b"keystorm known-answer challenge.";
    let vectors = [
        Vector {
            suite: SuiteId::Rsa1024,
            public: concat!(
                "f5e302991402176581c97133c23d51f80d2fa934f4b1f6441e0247db3c9ea38ad783023fd5904c4ecd017cf3",
                "15886babded22073b32e919ade17d43a7fa70b165167b3fae4a630debc0d09e854aa81d7cbf14775630c8960",
                "b7d0fe9a9abcfa1ffda635d1296df5b693024ffd5747c4a94ac8d14b0ff671f102f3b865c3fe7679",
            ),
            private: concat!(
                "fae5a46bd5340130d1fd31ddd4672a1446f91e672a74a553b5f0968d17f7cf7ea0f02556191af1a9a57a1cfe",
                "3460d85d8643dbee2a01b589f440e12e1784e003fae347d58b4a565570a8a8c0ec5b9f6f86895a11543b37e8",
                "668409f44ff476d50d9a5f1b3126d284ecb664211b164155e4ddc78ea7c79c94a160262acda89cd33f3b832d",
                "de24e62becb07851e5073f16af3077d61e60198eb86af3368a14dd89977c0e9cdd64ea050c7c733429f54272",
                "87b530879cb4a3912a2af3d58efde10b6b006a4fb2338734b372cb5e54b01304aebd7fd36a384374f3dc169e",
                "c347013386b4b32156ca36f9083815e664b60e318305efa970f75a59ada5e341582b348f3018be0ca5f2f77d",
                "50cfd3a30ad35c0fb8887c58239596a8cad3f6a1204c1e624495e499f24e7adba60affb40f97310ed5c6d8e8",
                "6e475055e406773818204404",
            ),
            proof: concat!(
                "f57ce60e49e6d09056f960970107caaa23bab63f787381dc1e29f9066eab09d464e89441194f78e8bd1843f6",
                "9e063c93b1b2bde42f367be3873ad5e8807e4ed44d62f5d585f34baa5e92e58cffe031c53773f9ad602ea060",
                "d1ae843f7e999ff803ebd80f87ba8897a2d5d793f548cb84203cb7a83bc4687ea7bba7b59dd86046",
            ),
        },
        Vector {
            suite: SuiteId::Rsa2048,
            public: concat!(
                "aa9088c70ddab6ba8d54500f0ad7db5f6979984d0ddfcb611058f5d5e547607efd4bf6f13ddc44a4a21a6165",
                "15b8e0ff8592de09fd2f437002fea2128e63a7323364281aa0451e272177c8f6ec4316d547c979dc12c614fd",
                "361fd8da88c56e0c434eca512876c6ee137415141f8fcfda6d435b4ef0c143f31ad84b7416a47d89d57b1bd3",
                "5f99daca41cc5552c241e83e59432e87bb7014afd8136c263d923fa7c195601b37e5d9707a628b67d211dff2",
                "0e618b56a0b4596db6d540871afa203c6d7d32e27c7f5d761ec7eae1648bec3776fcec25aa22c6ab50b8d294",
                "3be292b071aaaa0af28b7fefd3dcf64f057e8eed0b2b3669554414468bd4af77bd66151f",
            ),
            private: concat!(
                "dc1961557e8eba005cdeca0eba46abf64165779f48b471bee501dbbd0501fdc82843b27089fab0f3f93c606d",
                "fcbe15f7af616e0bbc3b766a740c3b4c19f029f9fa84a97e94fb37f8a43af90ef9062953a02eb4ac0c22691e",
                "b00cda3e41ff7929e753218ca0d5693c5670e6e9329be9aea4ee87e086910b3ab426c3bb23fc02efc662c0d2",
                "18ea6759924c8f032a008d202f78de58868cc9ecf99e9ac2d07a19dbb0c977549dd66c1b99585ac33a422904",
                "eb64c0dcf6724432ee4b9ec81ccbb7085bd537216a6be86cce01f0d3b3df0615d09476414d55f784eb47fdba",
                "1caad8a96c0d6637740ba695a2f0e1055a84698e58c0877adfd1c26721a4ad39dc1350d175d37073e0486ff2",
                "79c51ace3f924dc48ac5d300065ff2f48a8c30224468087ffa6e233c73e12c91af3f4f30123980711406486f",
                "27d97d4f07c8f4858ced30cb8dfd2eef80b9ec00c38a7e823175c6f1e9b2972df361087d5129d03bbc0113d0",
                "06f24de786c238900086785726aca8b0c1c2a022e6670767e9c146cf0c38812938c388e894b87d59e3c28429",
                "239b84c5f0cf64cf6fb05916b555ec7251b49e317e242740cee8cb861a1a6dddee8d7faf28ab6b83ce006403",
                "2eabf482cdba7c64a7e21a24358f2ab1f74016e87c4f142ea9bfd1165e4a7ac84d8a0bcf74e46d9a0c90c8ee",
                "9505c064907adbe7ec3e76f583ef92d455b66f299336cb5a02de840199a7f2ea8f5d249fb61f0e600b3edafc",
                "e9ab1e79f8278f7e6647395a69fa6b53dc26fa0df8a25b75d345ca077c11f99baa33ee3d17085316af9786ce",
                "a4549eff13828eebc5a2bcd165418776671b19a73fb5b48eb22b0c3da7ea8bb74bc25ee4c2c441216b8870ec",
                "4c4a340de40e5752fbba8bf9417b2ef99cea203c5fed9ab5",
            ),
            proof: concat!(
                "772c68562a1c431313969d33428c2cef1a8e95b4f9bd6495ab575480c67cc7fe3ac8ed339d15ead1ada8ce95",
                "88d0877b571632a464d44ac340f962c7ed96b50e7e1e7c175023e36a8f24f0be10f9f13b9584eb939a445762",
                "d381ce20ea643953904d03fe42264fdfedded96cb074253587f1adc408757c57410f97caa907820fe2cdc94f",
                "e8e8ab102c715812606d12a143a38c91be8fe0b999a90fe765d0bd3fbf1de67834f7c4e7da908f6cafae447e",
                "f3f95582f47f17a38a4633df2670183e86aba378315521259f7d37fbe6e23524641e6d49b51d0b369144cd8f",
                "5cf5d68542e854e25fe9fcca7980f7037e78ccbc6433970226578cd57c2b58109ba6245f",
            ),
        },
    ];
    for Vector { suite, public, private, proof } in vectors {
        for backend in suite.backends(Operation::Prove) {
            let mut proved = Vec::new();
            suite.with(Some(backend)).prove(&hex(private), challenge, &mut proved);
            assert_eq!(proved, hex(proof));
        }
        for backend in suite.backends(Operation::Check) {
            let cipher = suite.with(Some(backend));
            assert!(cipher.check(&hex(public), challenge, &hex(proof), Comparison::Encryption));
        }
    }
}
