"""`python -m simulation` says what to type to see a failure again."""

from simulation.__main__ import main


def test_a_clean_seed_ends_with_zero(capsys):
    assert main(["--seed", "3"]) == 0
    assert "seed 3:" in capsys.readouterr().out


def test_a_failure_names_its_replay_key(capsys):
    assert main(["--seed", "0", "--mutant", "answer_before_storing"]) == 1

    said = capsys.readouterr().out
    assert "FAILED seed 0" in said
    assert "python -m simulation --seed 0 --trace --mutant answer_before_storing" in said


def test_a_trace_tells_what_happened(capsys):
    main(["--seed", "3", "--trace"])

    said = capsys.readouterr().out
    assert "commit customer:" in said
    assert "provider: POST /payments" in said
