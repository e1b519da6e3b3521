// A picture that is still being made answers 404: ask again a few times, ever more slowly.
const FIRST = 3000; // milliseconds
const TRIES = 7;

for (const image of document.querySelectorAll(".still img")) {
  let tries = 0;
  const missed = () => {
    image.classList.add("is-missing");
    if (tries === TRIES) return;
    setTimeout(() => { image.src = image.src; }, FIRST * 1.7 ** tries);
    tries += 1;
  };
  image.addEventListener("error", missed);
  image.addEventListener("load", () => image.classList.remove("is-missing"));
  if (image.complete && image.currentSrc && image.naturalWidth === 0) missed();
}
