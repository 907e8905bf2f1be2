"""What the app is told, in its address and by its controls, done in a real browser."""

from urllib.parse import parse_qs, urlsplit

import pytest


pytestmark = pytest.mark.browser


def test_the_address_holds_the_whole_state(app):
    page = app()
    page.settled()
    page.press("Step size h", "ArrowRight", 9)
    page.slider("θ (1/time)").focus()
    page.page.keyboard.press("ArrowRight")
    page.page.get_by_role("button", name="equal evaluations").click()
    page.page.get_by_role("checkbox", name="EES(2,7)").check()
    page.settled()
    page.until(lambda: "EES27" in page.address and "equal=evaluations" in page.address)
    address = urlsplit(page.address)
    asked = parse_qs(address.query)
    assert float(asked["p.theta"][0]) > 1 and int(asked["steps"][0]) < 80
    first = page.settled()
    # Another browser, which shares nothing with the first but the link.
    other = app("?" + address.query)
    assert other.settled() == first
    assert other.page.get_by_role("checkbox", name="EES(2,7)").is_checked()
    # And a reload in the first.
    page.page.reload()
    page.until(lambda: len(page.curves()) == len(first))
    assert page.settled() == first


@pytest.mark.parametrize(
    "query, said",
    [
        ("?model=nonsense", "model='nonsense': allowed are"),
        ("?steps=7.5&seed=-1", "steps=7.5"),
        ("?schemes=EES25,Nobody", "schemes='Nobody': allowed are"),
        ("?EES25.x=0.5", "x=0.5: the coefficients divide by"),
        ("?horizon=1e400&p.theta=nan", "horizon=inf"),
        ("?model=<img src=x onerror=document.title='hacked'>", 'model="<img src=x'),
        ("?" + "a" * 5000 + "=1", "longer than 4000 characters"),
    ],
)
def test_nonsense_in_the_address_gives_a_message_and_the_defaults(app, query, said):
    page = app(query)
    page.until(lambda: said in page.messages())
    assert set(page.settled()) == {"exact solution", "EES(2,5)", "RK4", "Reversible Heun"}
    assert page.page.title() != "hacked"


def test_a_value_that_is_refused_keeps_the_picture_and_says_why(app):
    page = app()
    before = page.settled()
    box = page.page.get_by_label("Horizon T")
    box.fill("-3")
    box.press("Enter")
    page.until(lambda: "horizon=-3" in page.messages())
    assert page.settled() == before
    page.until(lambda: box.input_value() == "10")


def test_every_control_has_a_name(app):
    page = app()
    nameless = page.page.evaluate(
        """() => {
          const found = [], visit = (root) => {
            for (const el of root.querySelectorAll('*')) {
              if (el.shadowRoot) visit(el.shadowRoot)
              if (!el.matches('button, input, [role=slider], [role=combobox], [role=tab]')) continue
              if (el.type === 'hidden' || el.ariaHidden === 'true' || el.getBoundingClientRect().width === 0) continue
              const label = el.getAttribute('aria-label') || el.getAttribute('title') || el.innerText
                || (el.getAttribute('aria-labelledby') || '').split(' ')
                   .map((id) => root.getElementById && root.getElementById(id)?.innerText).join('')
                || [...(el.labels || [])].map((l) => l.innerText).join('')
              if (!label || !label.trim()) found.push(el.outerHTML.slice(0, 160))
            }
          }
          visit(document)
          return found
        }"""
    )
    assert nameless == []
