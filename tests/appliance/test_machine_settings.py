"""The machine's apt and pip settings, as the builder takes them over."""

from __future__ import annotations

from pathlib import Path

import pytest
from imagebuild import aptconf, pipconf

DEB822 = """
# comment
Types: deb deb-src
URIs: http://mirror.invalid/debian
Suites: bookworm
 bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.invalid/debian-security
Suites: bookworm-security
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Enabled: no
Types: deb
URIs: http://disabled.invalid/debian
Suites: bookworm
Components: main

Types: deb-src
URIs: http://source.invalid/debian
Suites: bookworm
Components: main
"""
ONE_LINE = """
deb http://mirror.invalid/debian bookworm main non-free-firmware  # the archive
deb [arch=amd64 signed-by=/usr/share/keyrings/vendor.gpg] https://vendor.invalid/apt bookworm main
deb-src http://source.invalid/debian bookworm main
deb http://security.invalid/debian-security bookworm/updates main
broken line
"""


def test_deb822_sources_are_the_enabled_binary_ones() -> None:
    found = aptconf.parse_deb822(DEB822)
    assert [source.uri for source in found] == [
        "http://mirror.invalid/debian",
        "http://mirror.invalid/debian-security",
    ]
    assert found[0].suites == ("bookworm", "bookworm-updates")


def test_one_line_sources_with_options_and_comments() -> None:
    found = aptconf.parse_one_line(ONE_LINE)
    assert [source.uri for source in found] == [
        "http://mirror.invalid/debian",
        "https://vendor.invalid/apt",
        "http://security.invalid/debian-security",
    ]
    assert found[0].components == ("main", "non-free-firmware")
    assert found[1].signed_by == "/usr/share/keyrings/vendor.gpg"


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        (
            aptconf.parse_deb822(DEB822),
            ("http://mirror.invalid/debian", "http://mirror.invalid/debian-security"),
        ),
        (
            aptconf.parse_one_line(ONE_LINE),
            ("http://mirror.invalid/debian", "http://security.invalid/debian-security"),
        ),
        # A vendor without a key of its own uses Debian's suite name: the source that names Debian's key wins.
        (
            [
                aptconf.Source("http://vendor.invalid", ("bookworm",), ("main",)),
                aptconf.Source("http://d.invalid", ("bookworm",), ("main",), "debian-archive-keyring.gpg"),
            ],
            ("http://d.invalid", None),
        ),
        ([aptconf.Source("http://u.invalid/ubuntu", ("noble",), ("main", "universe"))], None),
        ([aptconf.Source("http://d.invalid", ("bookworm",), ("contrib",))], None),
    ],
)
def test_mirrors_are_debians_own(
    sources: list[aptconf.Source], expected: tuple[str, str | None] | None
) -> None:
    chosen = aptconf.choose_mirrors(sources)
    assert (chosen and (chosen.main, chosen.security)) == expected


def test_a_mirror_list_gives_its_first_mirror(tmp_path: Path) -> None:
    listing = tmp_path / "debian.list"
    listing.write_text("# mirrors\nhttps://first.invalid/debian\tpriority:1\nhttps://second.invalid/debian\n")
    assert aptconf.resolve_mirror_list(f"mirror+file:{listing}") == "https://first.invalid/debian"
    assert aptconf.resolve_mirror_list("http://plain.invalid") == "http://plain.invalid"
    listing.write_text("# empty\n")
    with pytest.raises(ValueError, match="names no mirror"):
        aptconf.resolve_mirror_list(f"mirror+file://{listing}")


def test_only_settings_about_reaching_an_archive_are_passed_on() -> None:
    dump = "\n".join(
        [
            'APT::Architecture "amd64";',
            'Acquire::http::Proxy "http://proxy.invalid:3128";',
            'Acquire::https::CaInfo "/etc/ssl/own.pem";',
            'Acquire::Check-Valid-Until "false";',
            'Acquire::IndexTargets::deb::DEP-11 "";',
            'Acquire::http "";',
        ]
    )
    assert aptconf.passed_on(dump) == [
        'Acquire::http::Proxy "http://proxy.invalid:3128";',
        'Acquire::https::CaInfo "/etc/ssl/own.pem";',
        'Acquire::Check-Valid-Until "false";',
    ]


def test_all_source_files_of_the_machine_are_read(tmp_path: Path) -> None:
    parts = tmp_path / "sources.list.d"
    parts.mkdir()
    (tmp_path / "sources.list").write_text("deb http://a.invalid bookworm main\n")
    (parts / "b.list").write_text("deb http://b.invalid bookworm main\n")
    (parts / "c.sources").write_text("Types: deb\nURIs: http://c.invalid\nSuites: s\nComponents: main\n")
    (parts / "d.sources.disabled").write_text("Types: deb\nURIs: http://d.invalid\nSuites: s\n")
    found = [source.uri for source in aptconf.machine_sources(tmp_path)]
    assert found == ["http://a.invalid", "http://b.invalid", "http://c.invalid"]


def test_pip_options_later_files_and_variables_win(tmp_path: Path) -> None:
    first, second = tmp_path / "a.conf", tmp_path / "b.conf"
    first.write_text("[global]\nindex-url = https://one.invalid/simple\ntimeout = 7\ncolor = no\n")
    second.write_text("[global]\nextra_index_url = https://two.invalid/simple\n    file:///srv/simple\n")
    options = pipconf.read_pip_options([first, second, tmp_path / "none"], {"PIP_TIMEOUT": "9"})
    assert options == {
        "index-url": "https://one.invalid/simple",
        "timeout": "9",
        "extra-index-url": "https://two.invalid/simple\nfile:///srv/simple",
    }


def test_local_indexes_are_left_out_when_there_is_a_remote_one(tmp_path: Path) -> None:
    options = {"extra-index-url": f"file://{tmp_path} https://two.invalid/s", "find-links": str(tmp_path)}
    settings = pipconf.to_uv(options, {}, "")
    assert settings.env["UV_INDEX"] == "https://two.invalid/s"
    assert "UV_FIND_LINKS" not in settings.env
    assert settings.binds == []


def test_a_local_index_is_made_visible_when_it_is_the_only_one(tmp_path: Path) -> None:
    settings = pipconf.to_uv({"index-url": f"file://{tmp_path}"}, {"HOME": "/nonexistent"}, "")
    assert settings.env["UV_DEFAULT_INDEX"] == "file:///run/build/index-0"
    assert settings.binds == [(str(tmp_path), "/run/build/index-0")]


def test_certificate_proxy_and_hosts_are_translated(tmp_path: Path) -> None:
    certificate = tmp_path / "ca.pem"
    certificate.write_text("x")
    options = {
        "cert": str(certificate),
        "proxy": "http://p.invalid:1",
        "trusted-host": "h.invalid\ni.invalid",
    }
    settings = pipconf.to_uv(options, {"HOME": "/nonexistent", "no_proxy": "localhost"}, "")
    assert settings.env["SSL_CERT_FILE"] == pipconf.CA_INSIDE
    assert settings.env["HTTPS_PROXY"] == settings.env["HTTP_PROXY"] == "http://p.invalid:1"
    assert settings.env["UV_INSECURE_HOST"] == "h.invalid i.invalid"
    assert settings.env["no_proxy"] == "localhost"
    assert settings.binds == [(str(certificate), pipconf.CA_INSIDE)]


def test_uvs_own_settings_win_over_pips() -> None:
    environ = {"HOME": "/nonexistent", "UV_DEFAULT_INDEX": "https://uv.invalid/simple"}
    settings = pipconf.to_uv({"index-url": "https://pip.invalid/simple"}, environ, "")
    assert settings.env["UV_DEFAULT_INDEX"] == "https://uv.invalid/simple"
