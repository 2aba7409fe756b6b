from benchmarks.claims import claims

FALLS = [2.0, 1.0, 0.5, 0.3, 0.2]
WORSE = [2.0, 1.0, 0.5, 0.4, 0.4]


def about(found, words):
    (claim,) = [each for each in found if words in each.claim]
    return claim


def test_that_it_errs_least_is_tested_against_every_baseline(made_up):
    found = claims(made_up({("irem", 0): FALLS, ("recurrent", 0): WORSE}))
    claim = about(found, "errs less")
    assert claim.verdict == "reproduced"
    assert "irem errs 0.2; of recurrent the best is recurrent with 0.4: 0.2 more" in claim.sentence
    assert "one seed" in claim.sentence
    both = {("irem", 0): WORSE, ("recurrent", 0): FALLS, ("ponder", 0): [9.0] * 5}
    assert about(claims(made_up(both, folder="b")), "errs less").verdict == "not reproduced"
    tie = {("irem", 0): FALLS, ("recurrent", 0): FALLS}
    assert about(claims(made_up(tie, folder="c")), "errs less").verdict == "not clear"
    alone = claims(made_up({("irem", 0): FALLS}, folder="d"))
    assert about(alone, "errs less").verdict == "not tested"


def test_that_more_steps_help_is_tested_beyond_those_of_training(made_up):
    steps = (10, 20)
    falls = [2.0, *[0.5] * 10, *[0.2] * 10]
    found = about(claims(made_up({("irem", 0): falls}, steps=steps)), "more steps")
    assert found.verdict == "reproduced"
    assert "errs 0.5 after 10 steps and 0.2 after 20: it gains 0.3" in found.sentence
    rises = [2.0, *[0.2] * 10, *[0.5] * 10]
    found = about(claims(made_up({("irem", 0): rises}, steps=steps, folder="b")), "more steps")
    assert found.verdict == "not reproduced"
    few = about(claims(made_up({("irem", 0): FALLS}, folder="c")), "more steps")
    assert few.verdict == "not tested"


def test_that_stopping_is_free_is_tested_by_the_energy(made_up):
    def verdict(means, folder):
        energies = {("irem", 0): [[energy] * 40 for energy in (5, 4, 3, 4, 5)]}  # stops at 2
        found = claims(made_up({("irem", 0): means}, energies=energies, folder=folder))
        return about(found, "stopping").verdict

    assert verdict([2.0, 1.0, 0.2, 0.3, 0.4], "a") == "reproduced"
    assert verdict([2.0, 1.0, 0.4, 0.3, 0.2], "b") == "not reproduced"
    without = claims(made_up({("irem", 0): FALLS}, folder="c"))
    assert about(without, "stopping").verdict == "not tested"


def test_published_numbers_are_held_against_the_interval(made_up):
    def quoted(last, folder):
        errors = {("irem", 0): [2.0, 1.0, 0.5, 0.3, last]}
        found = claims(made_up(errors, size=20, folder=folder))
        return [each for each in found if "0.0021" in each.claim]

    assert [each.verdict for each in quoted(0.0021, "a")] == ["reproduced"]
    (found,) = quoted(0.02, "b")
    assert found.verdict == "not reproduced"
    assert (
        "9.5 times as much (95 %, over problems alone, of one seed; 5 updates, the paper"
        in found.sentence
    )
